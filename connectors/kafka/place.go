package kafka

import (
	"strconv"
	"strings"
)

// placeOf names a partition: "orders/3". A topic's name has no slash.
func placeOf(topic string, partition int32) string {
	return topic + "/" + strconv.Itoa(int(partition))
}

func partitionOf(place string) (int32, bool) {
	at := strings.LastIndexByte(place, '/')
	if at < 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(place[at+1:], 10, 31)
	return int32(n), err == nil
}
