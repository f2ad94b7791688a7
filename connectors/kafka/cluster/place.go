package cluster

import (
	"strconv"
	"strings"
)

// PlaceOf names a partition: "orders/3". A topic's name has no slash.
func PlaceOf(topic string, partition int32) string {
	return topic + "/" + strconv.Itoa(int(partition))
}

// SplitPlace returns the topic and the partition that a place names. It is
// false if place is no such name.
func SplitPlace(place string) (topic string, partition int32, ok bool) {
	topic, number, ok := strings.Cut(place, "/")
	if !ok || topic == "" {
		return "", 0, false
	}
	n, err := strconv.ParseUint(number, 10, 31)
	return topic, int32(n), err == nil
}

// TopicOf returns the topic of the partition that a place names, or "".
func TopicOf(place string) string {
	topic, _, _ := SplitPlace(place)
	return topic
}

// PartitionOf returns the number of the partition that a place names. It is
// false if place is no such name.
func PartitionOf(place string) (int32, bool) {
	_, n, ok := SplitPlace(place)
	return n, ok
}
