package kafka

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Source reads a topic. Serve is called once.
type Source struct {
	SourceOptions
	cluster      *cluster.Cluster
	topic        *cluster.Topic
	settings     cluster.Settings
	maxBatch     int     // the topic's max.message.bytes; 0 if it is unknown
	untilOffsets []int64 // of a bounded run, by partition
	sink         *Sink   // its transactions carry the positions; nil at least once
	timing       timing
	losses       losses
	tracked      statusTable
	static       bool         // Instance was given, and names a member of the group
	held         atomic.Int32 // partitions of a member
}

// NewSource opens a topic. A bounded run ends at its present end.
func NewSource(ctx context.Context, c *cluster.Cluster, o SourceOptions) (*Source, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Source{SourceOptions: o, cluster: c, timing: defaultTiming, static: o.Instance != ""}
	if !s.static {
		s.Instance = rand.Text()[:12]
	}
	if s.topic, err = c.OpenTopic(ctx, o.Topic, cluster.LookTries); err != nil {
		return nil, c.NameRight(cluster.Resource{Kind: "topic", Name: o.Topic}, "Read", err)
	}
	if err := s.checkRights(ctx); err != nil {
		return nil, err
	}
	if s.settings, err = c.ReadSettings(ctx, o.Topic); err != nil {
		return nil, err
	}
	if n, ok := s.settings.ReadInt(cluster.MaxMessageBytes); ok {
		s.maxBatch = int(n)
	}
	if s.CodecMemory == 0 {
		s.CodecMemory = batch.CodecMemoryFor(max(s.maxBatch, o.LargestRecord))
	}
	for _, p := range o.Partitions {
		if p < 0 || p >= s.topic.PartitionCount() {
			return nil, fmt.Errorf("kafka topic %s: it has no partition %d among its %d",
				o.Topic, p, s.topic.PartitionCount())
		}
	}
	if o.Until.Bounded() {
		return s, s.findEnds(ctx)
	}
	return s, s.checkGroup(ctx)
}

// checkRights finds out whether this user may do what the Source will.
func (s *Source) checkRights(ctx context.Context) error {
	if err := s.cluster.CheckTopicRight(ctx, s.Topic, "Read"); err != nil || s.Group == "" {
		return err
	}
	return s.cluster.CheckGroupRight(ctx, s.Group, "Read")
}

// Ordered tells whether offsets grow in read order: they do.
func (s *Source) Ordered() bool { return true }

// Identity returns the ids of the cluster and the topic, which do not depend on
// their names. The topic's id is zero if the brokers have none.
func (s *Source) Identity() (cluster string, topic [16]byte) { return s.cluster.ID(), s.topic.ID() }

// Partition is the number of the partition that a place of this Source is.
func (s *Source) Partition(place string) (int32, bool) {
	p, ok := cluster.PartitionOf(place)
	return p, ok && cluster.PlaceOf(s.Topic, p) == place
}

// PartitionCount is how many partitions the topic had when it was last looked
// at.
func (s *Source) PartitionCount() int { return int(s.topic.PartitionCount()) }

// MaxBatch returns the largest record batch that the topic takes, in bytes, and
// so the most that one read may exceed its limit by; 0 if the brokers do not
// say.
func (s *Source) MaxBatch() int { return s.maxBatch }

// LaneMemory returns the bytes that the decoders of a lane take at most, beside
// what it reads.
func (s *Source) LaneMemory() int { return s.CodecMemory }

// MaxLanes is how many lanes there may be at the same time. A member has as many
// all the time, whatever partitions it has.
func (s *Source) MaxLanes() int {
	return len(s.dealShares(s.topic.Partitions()))
}

// dealShares returns the shares of the lanes for some partitions.
func (s *Source) dealShares(partitions []int32) []share {
	if s.OneLane {
		return dealPartitions(partitions, func(int32) int32 { return 0 }, 1)
	}
	return dealPartitions(partitions, func(p int32) int32 { return s.topic.Leader(p).Broker }, s.Workers)
}

// HoldsAll implements pipeline.Source. A member of a group knows how many
// partitions it was given; a bounded run shares its partitions with nobody.
func (s *Source) HoldsAll() bool {
	return s.Until.Bounded() || int(s.held.Load()) >= s.PartitionCount()
}

type serveFunc = func(context.Context, pipeline.Lane) error

// Serve serves the lanes until ctx is done, or the bounded run has ended.
func (s *Source) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	if s.Until.Bounded() {
		return s.serveBounded(ctx, serve)
	}
	return s.serveGroup(ctx, serve)
}

// laneTransactionalID names a lane's producer. Names of a bounded run are the
// same for every run of the group and topic, so that a second one fences the
// first.
func (s *Source) laneTransactionalID(lane int) string {
	prefix := s.TransactionalID
	switch {
	case prefix != "":
	case s.Until.Bounded():
		sum := sha256.Sum256([]byte(strconv.Itoa(len(s.Group)) + ":" + s.Group + s.Topic))
		prefix = "streamcrypt-" + hex.EncodeToString(sum[:12])
	default:
		prefix = s.Group + "-" + s.Instance
	}
	return prefix + "-" + strconv.Itoa(lane)
}
