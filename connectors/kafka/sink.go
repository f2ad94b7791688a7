package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// defaultMaxBatch is max.message.bytes as brokers have it, for those that do
// not say.
const defaultMaxBatch = 1048588

// Sink writes a topic.
type Sink struct {
	SinkOptions
	cluster  *cluster.Cluster
	topic    *cluster.Topic
	settings cluster.Settings
	maxBatch int // the topic's max.message.bytes
	exactly  bool
	pause    time.Duration // between two writes, before the topic is looked at again
}

// NewSink opens a topic, or makes it, and checks that it can take the messages
// of Source. It chooses the delivery: see ExactlyOnce.
func NewSink(ctx context.Context, c *cluster.Cluster, o SinkOptions) (*Sink, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Sink{SinkOptions: o, cluster: c, pause: defaultTiming.pause}
	if o.Source != nil && o.Source.Topic == o.Topic && o.Source.cluster.IsSame(c) {
		return nil, fmt.Errorf("kafka topic %s: it is the source as well", o.Topic)
	}
	if err := s.chooseDelivery(); err != nil { // before a topic is made for nothing
		return nil, err
	}
	if err := s.openTopic(ctx); err != nil {
		return nil, err
	}
	if err := s.checkTopic(); err != nil {
		return nil, err
	}
	if err := s.checkRights(ctx); err != nil {
		return nil, err
	}
	if s.exactly {
		o.Source.sink = s
	}
	return s, nil
}

// checkRights finds out whether this user may do what the Sink will.
func (s *Sink) checkRights(ctx context.Context) error {
	if err := s.cluster.CheckTopicRight(ctx, s.Topic, "Write"); err != nil || !s.exactly {
		return err
	}
	return s.cluster.CheckTransactions(ctx, s.Source.laneTransactionalID(0))
}

func (s *Sink) openTopic(ctx context.Context) error {
	again := cluster.LookTries
	if s.Create {
		again = 0
	}
	var err error
	made := false
	s.topic, err = s.cluster.OpenTopic(ctx, s.Topic, again)
	switch {
	case errors.Is(err, cluster.ErrNoTopic) && s.Create:
		made = true
		if err := s.createTopic(ctx); err != nil {
			return err
		}
		if s.topic, err = s.cluster.OpenTopic(ctx, s.Topic, cluster.LookTriesForMade); err != nil {
			return err
		}
	case errors.Is(err, cluster.ErrNoTopic):
		return fmt.Errorf("%w; make it, or say create=true", err)
	case err != nil:
		return s.cluster.NameRight(cluster.Resource{Kind: "topic", Name: s.Topic}, "Write", err)
	}
	if s.settings, err = s.cluster.ReadSettings(ctx, s.Topic); err != nil {
		return err
	}
	s.maxBatch = defaultMaxBatch
	if n, ok := s.settings.ReadInt(cluster.MaxMessageBytes); ok {
		s.maxBatch = int(n)
	}
	if made {
		return nil
	}
	return s.compareTopic(ctx)
}

// wantPartitions is the least number of partitions that will do; 0 if any will.
func (s *Sink) wantPartitions() int {
	if s.Source == nil || s.DeadLetters {
		return 0
	}
	return s.Source.PartitionCount()
}

// wantMaxBatch is the least max.message.bytes that will do; 0 if any will.
func (s *Sink) wantMaxBatch() int {
	if s.Source == nil || s.DeadLetters || s.Source.maxBatch == 0 {
		return 0
	}
	return s.Source.maxBatch + s.Growth
}

// checkTopic refuses a topic that would not take every message.
func (s *Sink) checkTopic() error {
	switch want := s.wantPartitions(); {
	case s.Partition == SamePartition && int(s.topic.PartitionCount()) < want:
		return fmt.Errorf("kafka topic %s: %w: it has %d and the source has %d; "+
			"add some (kafka-topics.sh --alter --topic %s --partitions %d), or say partition=key",
			s.Topic, ErrFewPartitions, s.topic.PartitionCount(), want, s.Topic, want)
	case s.maxBatch < s.wantMaxBatch() && s.Oversize:
		s.Log.Warn("kafka: the destination does not take the largest records of the source; "+
			"they are rejected as too-large",
			"topic", s.Topic, "max_message_bytes", s.maxBatch, "needed", s.wantMaxBatch())
	case s.maxBatch < s.wantMaxBatch():
		return fmt.Errorf("kafka topic %s: %w: it is %d, and records of the source may need %d; raise it: "+
			"kafka-configs.sh --alter --entity-type topics --entity-name %s --add-config max.message.bytes=%d",
			s.Topic, ErrSmallRecords, s.maxBatch, s.wantMaxBatch(), s.Topic, s.wantMaxBatch())
	}
	return nil
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
func (s *Sink) LaneMemory() int { return batch.CompressorMemory(s.Compression, s.maxBatch) }

// Check tells whether m can be written with a value of valueSize bytes, which
// may differ from m.Value while that is still to be transformed. Its error is a
// *pipeline.Reject with the reason too-large.
func (s *Sink) Check(m *pipeline.Message, valueSize int) error {
	n := batch.HeaderSize + batch.BoundMessage(m) - len(m.Value) + valueSize
	if n > s.maxBatch && valueSize == len(m.Value) {
		var alone batch.Appender // the bound is enough for nearly all; others are measured
		n = batch.HeaderSize + alone.Size(m)
	}
	if n > s.maxBatch {
		return &pipeline.Reject{
			Reason: "too-large",
			Err:    fmt.Errorf("too-large: a record of up to %d bytes, and topic %s takes %d", n, s.Topic, s.maxBatch),
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
	if err := s.cluster.RetryCall(ctx, "topic "+s.Topic, s.topic.Refresh); err != nil {
		return nil, err
	}
	w := &writer{sink: s, compressor: batch.NewCompressor(s.Compression)}
	if ours {
		w.failure = l.failure
	}
	w.partitioner = partitioner{
		by: s.Partition, partitions: s.topic.PartitionCount(), fold: s.DeadLetters, kafka: ours,
	}
	if ours && l.transaction != nil && s.joins(l) {
		w.transaction, w.positions = l.transaction, l.source.sink == s
		w.producer = l.transaction.producer
		return w, nil
	}
	w.producer = newProducer(s.cluster, "", 0)
	return w, w.producer.initID(ctx, true)
}

// joins tells whether messages from a lane are written in its transaction.
func (s *Sink) joins(l *lane) bool {
	return l.source.sink == s || s.DeadLetters && l.source.sink.cluster.IsSame(s.cluster)
}
