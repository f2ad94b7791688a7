package kafka

import (
	"fmt"
	"math"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Partitioning says which partition of the destination a message goes to.
type Partitioning int

const (
	// SamePartition keeps a message's partition number, and so the order of its
	// partition. Messages that do not come from Kafka are partitioned by key.
	SamePartition Partitioning = iota
	// ByKey hashes the key as the Java client does (murmur2). A message without
	// a key keeps its partition number, modulo the number of partitions.
	ByKey
)

// partitioner finds the partitions of messages. One goroutine uses it at a
// time.
type partitioner struct {
	by         Partitioning
	partitions int32 // of the destination
	fold       bool  // numbers beyond the last wrap around; without it they are an error
	kafka      bool  // messages come from Kafka: their places are partitions

	place   string // neighbours are mostly of one place
	from    int32
	known   bool
	keyless int32 // where messages without key and partition go
}

// beginWrite begins a write: messages with neither key nor partition go to one
// partition per write.
func (p *partitioner) beginWrite() { p.keyless = (p.keyless + 1) % p.partitions }

// choosePartition returns the partition of m.
func (p *partitioner) choosePartition(m *pipeline.Message) (int32, error) {
	if p.kafka && m.Origin.Place != p.place {
		p.place = m.Origin.Place
		p.from, p.known = cluster.PartitionOf(m.Origin.Place)
	}
	switch {
	case m.Key != nil && (p.by == ByKey || !p.known):
		return int32(murmur2(m.Key)&math.MaxInt32) % p.partitions, nil
	case !p.known:
		return p.keyless, nil
	case p.by == ByKey || p.fold:
		return p.from % p.partitions, nil
	case p.from >= p.partitions:
		return 0, fmt.Errorf("kafka: %s has no partition of that number among the %d of the destination",
			m.Origin.Place, p.partitions)
	}
	return p.from, nil
}

// murmur2 is the 32-bit MurmurHash2 with the seed that Kafka's Java client
// uses.
func murmur2(data []byte) uint32 {
	const m, seed = 0x5bd1e995, 0x9747b28c
	h := seed ^ uint32(len(data))
	for len(data) >= 4 {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> 24
		k *= m
		h *= m
		h ^= k
		data = data[4:]
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(data[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}
