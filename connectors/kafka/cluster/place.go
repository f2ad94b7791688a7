package cluster

import (
	"strconv"
	"strings"
)

// PlaceOf names a partition: "orders/3". A topic's name has no slash.
func PlaceOf(topic string, partition int32) string {
	return topic + "/" + strconv.Itoa(int(partition))
}

// PartitionOf returns the partition that a place names. It is false if place is
// no such name.
func PartitionOf(place string) (int32, bool) {
	at := strings.LastIndexByte(place, '/')
	if at < 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(place[at+1:], 10, 31)
	return int32(n), err == nil
}
