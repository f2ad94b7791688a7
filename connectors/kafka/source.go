package kafka

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Source reads topics. Serve is called once.
type Source struct {
	SourceOptions
	// FindSealed tells for Start.Sealed where a place goes on: at the offset
	// behind the last message of it that the destination holds, or below zero
	// if that holds none.
	FindSealed func(ctx context.Context, place string) (int64, error)

	// Checkpoint, if not nil, keeps positions beside the group, or without one.
	// It is set before the Source serves.
	Checkpoint Checkpoint

	cluster      *cluster.Cluster
	names        TopicNames
	topics       *topicSet
	matches      matches
	untilOffsets []int64 // of a bounded run, by slot
	sink         *Sink   // its transactions carry the positions; nil at least once
	feeds        []*Sink // those that write the messages or dead letters
	timing       timing
	losses       losses
	tracked      statusTable
	static       bool         // Instance was given, and names a member of the group
	held         atomic.Int32 // partitions of a member
}

// NewSource opens the topics. A bounded run ends at their present ends.
func NewSource(ctx context.Context, c *cluster.Cluster, o SourceOptions) (*Source, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Source{SourceOptions: o, cluster: c, timing: newTiming(o.Wait), static: o.Instance != ""}
	if !s.static {
		s.Instance = rand.Text()[:randomInstance]
	}
	if s.names, err = ParseTopicNames(o.Topic); err != nil {
		return nil, err
	}
	found, err := s.findTopics(ctx)
	if err != nil {
		return nil, err
	}
	if s.topics, err = openTopics(ctx, c, s.names, found, o.Log); err != nil {
		return nil, c.NameRight(cluster.Resource{Kind: "topic", Name: o.Topic}, "Read", err)
	}
	if err := s.checkRights(ctx); err != nil {
		return nil, err
	}
	if s.CodecMemory == 0 {
		s.CodecMemory = batch.CodecMemoryFor(max(s.MaxBatch(), o.LargestRecord))
	}
	for _, p := range o.Partitions {
		if p < 0 || p >= s.topics.PartitionCount() {
			return nil, fmt.Errorf("kafka topic %s: it has no partition %d among its %d",
				o.Topic, p, s.topics.PartitionCount())
		}
	}
	if err := s.checkBoundPlaces(); err != nil {
		return nil, err
	}
	if o.Until.Bounded() {
		return s, s.findEnds(ctx)
	}
	return s, s.checkGroup(ctx)
}

// checkRights finds out whether this user may do what the Source will.
func (s *Source) checkRights(ctx context.Context) error {
	err := s.topics.eachTopic(s.topics.Partitions(), func(t *sourceTopic, _ []int32, _ []int) error {
		return s.cluster.CheckTopicRight(ctx, t.Name(), "Read")
	})
	if err != nil || s.Group == "" {
		return err
	}
	return s.cluster.CheckGroupRight(ctx, s.Group, "Read")
}

// Ordered tells whether offsets grow in read order: they do.
func (s *Source) Ordered() bool { return true }

// Identity returns the ids of the cluster and of the topic that it had when the
// Source was opened, which do not depend on their names. The topic's id is zero
// if the brokers have none, or if there may be several topics.
func (s *Source) Identity() (cluster string, topic [16]byte) {
	if s.names.MayBeSeveral() {
		return s.cluster.ID(), [16]byte{}
	}
	return s.cluster.ID(), s.topics.allTopics()[0].ID()
}

// Partition returns the id of the topic and the number of the partition that a
// place of this Source is.
func (s *Source) Partition(place string) (topic [16]byte, number int32, ok bool) {
	name, number, ok := cluster.SplitPlace(place)
	if !ok || cluster.PlaceOf(name, number) != place {
		return topic, 0, false
	}
	n, ok := s.topics.findSlot(name, number)
	if !ok {
		return topic, 0, false
	}
	return s.topics.at(n).topic.ID(), number, true
}

// Topics returns the names of the topics that are read: those of a list, or
// those that match the pattern now.
func (s *Source) Topics() []string {
	if s.names.pattern == nil {
		return s.names.list
	}
	var names []string
	for _, t := range s.topics.allTopics() {
		if t.MissingSince().IsZero() {
			names = append(names, t.Name())
		}
	}
	return names
}

// PartitionCount is how many partitions the topics had together when they were
// last looked at.
func (s *Source) PartitionCount() int { return int(s.topics.PartitionCount()) }

// MaxBatch returns the largest record batch that one of the topics takes, in
// bytes, and so the most that one read may exceed its limit by; 0 if the
// brokers do not say.
func (s *Source) MaxBatch() int {
	var most int64
	for _, t := range s.topics.allTopics() {
		most = max(most, t.maxBatch.Load())
	}
	return int(most)
}

// LaneMemory returns the bytes that the decoders of a lane take at most, beside
// the records themselves.
func (s *Source) LaneMemory() int { return s.CodecMemory }

// MaxLanes is how many lanes there may be at the same time. A member has as
// many all the time, whatever partitions it has.
func (s *Source) MaxLanes() int {
	lanes := len(s.dealShares(s.topics.Partitions()))
	if s.names.pattern != nil && !s.OneLane && !s.Until.Bounded() {
		return max(lanes, s.Workers) // there may be more partitions later
	}
	return lanes
}

// dealShares returns the shares of the lanes for some partitions.
func (s *Source) dealShares(partitions []int32) []share {
	if s.OneLane {
		return dealPartitions(partitions, func(int32) int32 { return 0 }, 1)
	}
	return dealPartitions(partitions, func(p int32) int32 { return s.topics.Leader(p).Broker }, s.Workers)
}

// HoldsAll implements pipeline.Source. A member of a group knows how many
// partitions it was given; a bounded run shares its partitions with nobody.
func (s *Source) HoldsAll() bool {
	return s.Until.Bounded() || int(s.held.Load()) >= s.PartitionCount()
}

type serveFunc = func(context.Context, pipeline.Lane) error

// Serve serves the lanes until ctx is done, or the bounded run has ended.
func (s *Source) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	if s.Start.Sealed && s.FindSealed == nil {
		return fmt.Errorf("%s: start=sealed, and nobody tells what the destination holds", s.names.describe())
	}
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { s.watchLeaders(watching) })
	defer watch.Wait()
	defer stop()
	if s.Until.Bounded() {
		return s.serveBounded(ctx, serve)
	}
	return s.serveGroup(ctx, serve)
}

// TransactionPrefix is the beginning of the transactional ids of all lanes, and
// of other processes that do the same work: rights are granted for it.
func (s *Source) TransactionPrefix() string {
	switch {
	case s.TransactionalID != "":
		return s.TransactionalID + "-"
	case s.Until.Bounded():
		return boundedPrefix
	}
	return s.Group + "-"
}

// boundedPrefix begins the transactional ids of runs with an end.
const boundedPrefix = "streamcrypt-"

// laneTransactionalID names a lane's producer. Names of a bounded run are the
// same for every run of the group and topic, so that a second one fences the
// first.
func (s *Source) laneTransactionalID(lane int) string {
	prefix := s.TransactionalID
	switch {
	case prefix != "":
	case s.Until.Bounded():
		sum := sha256.Sum256([]byte(strconv.Itoa(len(s.Group)) + ":" + s.Group + s.Topic))
		prefix = boundedPrefix + hex.EncodeToString(sum[:12])
	default:
		prefix = s.Group + "-" + s.Instance
	}
	return prefix + "-" + strconv.Itoa(lane)
}
