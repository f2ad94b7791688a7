package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// defaultMaxBatch is max.message.bytes as brokers have it, for those that do
// not say.
const defaultMaxBatch = 1048588

// Sink writes topics.
type Sink struct {
	SinkOptions
	cluster      *cluster.Cluster
	names        NameMap
	destinations destinationTable
	exactly      bool
	pause        time.Duration // between two writes, before the topic is looked at again
	slow         time.Duration // until others are asked about a leader that does not answer
	peeked       peekedTopic
}

// NewSink opens the topics, or makes them, and checks that they can take the
// messages of Source. It chooses the delivery: see ExactlyOnce. With a
// template, topics that the Source begins to read later are treated alike then,
// and their places are parked if there is no destination.
func NewSink(ctx context.Context, c *cluster.Cluster, o SinkOptions) (*Sink, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Sink{SinkOptions: o, cluster: c, pause: defaultTiming.pause, slow: slowAnswer}
	if s.names, err = ParseNameMap(o.Topic); err != nil {
		return nil, err
	}
	if err := s.checkSource(); err != nil {
		return nil, err
	}
	if err := s.chooseDelivery(); err != nil { // before a topic is made for nothing
		return nil, err
	}
	if err := s.openDestinations(ctx); err != nil {
		return nil, err
	}
	if err := s.checkTransactions(ctx); err != nil {
		return nil, err
	}
	if s.exactly {
		o.Source.sink = s
	}
	if o.Source != nil {
		o.Source.feeds = append(o.Source.feeds, s)
	}
	return s, nil
}

// checkSource refuses a Sink that writes what its Source reads, or several
// topics into one.
func (s *Sink) checkSource() error {
	if s.Source == nil {
		return nil
	}
	reads := &s.Source.names
	if reads.MayBeSeveral() && !s.names.IsMapped() && !s.DeadLetters {
		return fmt.Errorf("kafka topic %s: %w: say which is for which with {topic}", s.Topic, ErrOneForSeveral)
	}
	if !s.Source.cluster.IsSame(s.cluster) {
		return nil
	}
	for _, from := range s.Source.Topics() {
		to, err := s.names.NameFor(from)
		if err == nil && to == from {
			return fmt.Errorf("kafka topic %s: it is the source as well", from)
		}
	}
	if err := reads.checkWritten([]NameMap{s.names}); err != nil {
		return err
	}
	return s.checkOthers()
}

// checkOthers refuses a Sink that writes a topic which another Sink of its
// Source writes: dead letters would stand between messages.
func (s *Sink) checkOthers() error {
	for _, other := range s.Source.feeds {
		if !other.cluster.IsSame(s.cluster) {
			continue
		}
		taken := make(map[string]bool)
		for _, from := range s.Source.Topics() {
			if name, err := other.names.NameFor(from); err == nil {
				taken[name] = true
			}
		}
		for _, from := range s.Source.Topics() {
			if name, err := s.names.NameFor(from); err == nil && taken[name] {
				return fmt.Errorf("kafka topic %s: messages and dead letters would be written to it", name)
			}
		}
	}
	return nil
}

// checkTransactions finds out whether this user may write with transactions, if
// the Sink will.
func (s *Sink) checkTransactions(ctx context.Context) error {
	if !s.exactly {
		return nil
	}
	return s.cluster.CheckTransactions(ctx, s.Source.laneTransactionalID(0), s.Source.TransactionPrefix())
}

// openTopic opens a destination for a topic of the Source, or makes it.
func (s *Sink) openTopic(ctx context.Context, name, from string) (*destination, error) {
	again := cluster.LookTries
	if s.Create {
		again = 0
	}
	made := false
	topic, err := s.cluster.OpenTopic(ctx, name, again)
	switch {
	case errors.Is(err, cluster.ErrNoTopic) && s.Create:
		made = true
		if err := s.createTopic(ctx, name, from); err != nil {
			return nil, err
		}
		if topic, err = s.cluster.OpenTopic(ctx, name, cluster.LookTriesForMade); err != nil {
			return nil, err
		}
	case errors.Is(err, cluster.ErrNoTopic):
		return nil, fmt.Errorf("%w; make it, or say create=true", err)
	case err != nil:
		return nil, s.cluster.NameRight(cluster.Resource{Kind: "topic", Name: name}, "Write", err)
	}
	to := &destination{Topic: topic, maxBatch: defaultMaxBatch}
	if to.settings, err = s.cluster.ReadSettings(ctx, name); err != nil {
		return nil, err
	}
	if n, ok := to.settings.ReadInt(cluster.MaxMessageBytes); ok {
		to.maxBatch = int(n)
	}
	if made {
		return to, nil
	}
	return to, s.compareTopic(ctx, to, from)
}

// feedOf returns the topic of a place if the destination depends on it, and
// else "", which stands for all topics.
func (s *Sink) feedOf(place string) string {
	if s.names.IsMapped() {
		return cluster.TopicOf(place)
	}
	return ""
}

// feedersOf returns the topics of the Source that are written to a destination:
// one if from names it, and else all.
func (s *Sink) feedersOf(from string) []*sourceTopic {
	all := s.Source.topics.allTopics()
	if from == "" {
		return all
	}
	return slices.DeleteFunc(all, func(t *sourceTopic) bool { return t.Name() != from })
}

// wantPartitions is the least number of partitions that will do; 0 if any will.
func (s *Sink) wantPartitions(from string) (most int) {
	if s.Source == nil || s.DeadLetters {
		return 0
	}
	for _, t := range s.feedersOf(from) {
		most = max(most, int(t.PartitionCount()))
	}
	return most
}

// wantMaxBatch is the least max.message.bytes that will do; 0 if any will.
func (s *Sink) wantMaxBatch(from string) (most int) {
	if s.Source == nil || s.DeadLetters {
		return 0
	}
	for _, t := range s.feedersOf(from) {
		if n := int(t.maxBatch.Load()); n > 0 {
			most = max(most, n+s.Growth)
		}
	}
	return most
}

// checkTopic refuses a destination that would not take every message.
func (s *Sink) checkTopic(to *destination, from string) error {
	name := to.Name()
	switch want := s.wantPartitions(from); {
	case s.Partition == SamePartition && int(to.PartitionCount()) < want:
		return fmt.Errorf("kafka topic %s: %w: it has %d and the source has %d; "+
			"add some (kafka-topics.sh --alter --topic %s --partitions %d), or say partition=key",
			name, ErrFewPartitions, to.PartitionCount(), want, name, want)
	case to.maxBatch < s.wantMaxBatch(from) && s.Oversize:
		s.Log.Warn("kafka: the destination does not take the largest records of the source; "+
			"they are rejected as too-large",
			"topic", name, "max_message_bytes", to.maxBatch, "needed", s.wantMaxBatch(from))
	case to.maxBatch < s.wantMaxBatch(from):
		return fmt.Errorf("kafka topic %s: %w: it is %d, and records of the source may need %d; raise it: "+
			"kafka-configs.sh --alter --entity-type topics --entity-name %s --add-config max.message.bytes=%d",
			name, ErrSmallRecords, to.maxBatch, s.wantMaxBatch(from), name, s.wantMaxBatch(from))
	}
	return nil
}

// ChooseDelivery tells whether a Sink with these options would write exactly
// once, as NewSink decides it; the topic need not be there.
func ChooseDelivery(c *cluster.Cluster, o SinkOptions) (exactlyOnce bool, err error) {
	o, err = o.withDefaults()
	if err != nil {
		return false, err
	}
	s := &Sink{SinkOptions: o, cluster: c}
	err = s.chooseDelivery()
	return s.exactly, err
}

// chooseDelivery decides whether messages are written exactly once.
func (s *Sink) chooseDelivery() error {
	why := ""
	switch {
	case s.DeadLetters || s.Delivery == AtLeastOnce:
		return nil
	case s.Source == nil:
		why = "the source is not a Kafka topic"
	case !s.Source.cluster.IsSame(s.cluster):
		why = "the source is in another cluster"
	case s.Source.Group == "":
		why = "the source has no group"
	case s.Source.sink != nil:
		return fmt.Errorf("kafka topic %s: its source feeds another topic already", s.Topic)
	}
	s.exactly = why == ""
	if s.Delivery == ExactlyOnce && !s.exactly {
		return fmt.Errorf("kafka topic %s: %w: %s", s.Topic, ErrNotExactlyOnce, why)
	}
	return nil
}

// ExactlyOnce tells whether messages and the Source's positions are committed
// together.
func (s *Sink) ExactlyOnce() bool { return s.exactly }

// LaneMemory returns the bytes that the writer of a lane takes at most to
// compress its batches; 0 if it does not.
func (s *Sink) LaneMemory() int {
	s.destinations.mu.RLock()
	defer s.destinations.mu.RUnlock()
	most := 0
	for _, to := range s.destinations.byName {
		most = max(most, to.maxBatch)
	}
	return batch.CompressorMemory(s.Compression, most)
}

// Check tells whether m can be written with a value of valueSize bytes, which
// may differ from m.Value while that is still to be transformed. Its error is a
// *pipeline.Reject with the reason too-large. For a topic that has no
// destination yet it is nil: the write tells.
func (s *Sink) Check(m *pipeline.Message, valueSize int) error {
	to, err := s.destinationFor(context.Background(), s.feedOf(m.Origin.Place), false)
	if err != nil || to == nil {
		return nil //nolint:nilerr // the writer finds it again, and can wait
	}
	return to.check(m, valueSize)
}

func (to *destination) check(m *pipeline.Message, valueSize int) error {
	n := batch.HeaderSize + batch.BoundMessage(m) - len(m.Value) + valueSize
	if n > to.maxBatch && valueSize == len(m.Value) {
		var alone batch.Appender // the bound is enough for nearly all; others are measured
		n = batch.HeaderSize + alone.Size(m)
	}
	if n > to.maxBatch {
		return &pipeline.Reject{
			Reason: "too-large",
			Err: fmt.Errorf("too-large: a record of up to %d bytes, and topic %s takes %d", n, to.Name(),
				to.maxBatch),
		}
	}
	return nil
}

// Open implements pipeline.Sink. A lane of the Source brings its transactional
// producer; every other lane gets one that is idempotent only.
func (s *Sink) Open(ctx context.Context, from pipeline.Lane) (pipeline.Writer, error) {
	w, err := s.openWriter(ctx, from)
	if err != nil {
		return nil, markPassing(err)
	}
	return w, nil
}

func (s *Sink) openWriter(ctx context.Context, from pipeline.Lane) (*writer, error) {
	l, ours := from.(*lane)
	if ours {
		if err := l.failure.reason(); err != nil {
			return nil, err
		}
	}
	if err := s.refreshAll(ctx); err != nil {
		return nil, err
	}
	w := &writer{sink: s, compressor: batch.NewCompressor(s.Compression)}
	if ours {
		w.failure = l.failure
	}
	if ours && l.transaction != nil && s.joins(l) {
		w.transaction, w.positions = l.transaction, l.source.sink == s
		w.producer = l.transaction.producer
		return w, nil
	}
	w.producer = newProducer(s.cluster, "", 0)
	return w, w.producer.initID(ctx, true)
}

// refreshAll asks who leads the destinations.
func (s *Sink) refreshAll(ctx context.Context) error {
	s.destinations.mu.RLock()
	var topics []*cluster.Topic
	for _, to := range s.destinations.byName {
		topics = append(topics, to.Topic)
	}
	s.destinations.mu.RUnlock()
	if !s.names.IsMapped() {
		return s.cluster.RetryCall(ctx, "topic "+s.Topic, topics[0].Refresh)
	}
	return s.cluster.RetryCall(ctx, "topics "+s.Topic, func(ctx context.Context) error {
		return s.cluster.RefreshTopics(ctx, topics)
	})
}

// joins tells whether messages from a lane are written in its transaction.
func (s *Sink) joins(l *lane) bool {
	return l.source.sink == s || s.DeadLetters && l.source.sink.cluster.IsSame(s.cluster)
}
