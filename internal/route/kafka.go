package route

import (
	"context"
	"fmt"
	"sync"

	"github.com/streamcrypt/streamcrypt/connectors/kafka"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// kafkaCluster returns the way to a cluster, which ends of a route may share.
func (o *opener) kafkaCluster(ctx context.Context, c kafkaConn) (*cluster.Cluster, error) {
	if known, ok := o.clusters[c]; ok {
		return known, nil
	}
	options, err := c.options(o.env.Log)
	if err != nil {
		return nil, err
	}
	way, err := cluster.Connect(ctx, options)
	if err != nil {
		return nil, err
	}
	o.closers.add(func() error { way.Close(); return nil })
	if o.clusters == nil {
		o.clusters = map[kafkaConn]*cluster.Cluster{}
	}
	o.clusters[c] = way
	return way, nil
}

// useTopic connects an end to its cluster and notes what it is for. A topic has one purpose, whatever the hosts in its URL are.
func (o *opener) useTopic(ctx context.Context, k *kafkaEnd, as role) (*cluster.Cluster, error) {
	cluster, err := o.kafkaCluster(ctx, k.conn)
	if err != nil {
		return nil, err
	}
	name := cluster.ID() + "/" + k.topic
	if other, twice := o.topics[name]; twice && cluster.ID() != "" {
		return nil, fmt.Errorf("%s and %s are the same topic", other, as)
	}
	if o.topics == nil {
		o.topics = map[string]role{}
	}
	o.topics[name] = as
	return cluster, nil
}

func (o *opener) kafkaSource(ctx context.Context, k *kafkaEnd) (*input, error) {
	cluster, err := o.useTopic(ctx, k, source)
	if err != nil {
		return nil, err
	}
	options := kafka.SourceOptions{
		Topic: k.topic, Group: k.group, Start: k.start, Until: k.until, Partitions: k.partitions,
		Rack: k.rack, Instance: o.Instance, Workers: o.Workers, Log: o.env.Log,
	}
	options.OneLane = o.do != verify && o.to.file != nil // a file takes one lane at a time
	s, err := kafka.NewSource(ctx, cluster, options)
	if err != nil {
		return nil, err
	}
	in := &input{
		Source: s, kafka: s, ordered: s.Ordered(), bounded: k.until.Bounded(),
		largest: s.MaxBatch(), lanes: s.MaxLanes(), progress: kafkaProgress(s, k.until.Bounded()),
	}
	if half := o.budget() / 2; s.MaxBatch() > half {
		o.env.Log.Warn("kafka: a record batch of the topic may be larger than half a worker's budget, and then holds more memory than is counted",
			"topic", k.topic, "max_message_bytes", s.MaxBatch(), "budget", 2*half)
	}
	id, topic := s.Identity()
	if in.id, err = topicIdentity(id, topic); err != nil {
		return nil, err
	}
	in.name = fmt.Sprintf("kafka topic %s, %s", k.topic, in.id)
	in.place = newPartitionPlaces(s).of
	return in, nil
}

// kafkaProgress fills in how far s is, and of a run with an end how far that is away as far as the brokers say: offsets of
// records that are no messages are counted until they are reached.
func kafkaProgress(s *kafka.Source, bounded bool) func(*Snapshot) {
	return func(snap *Snapshot) {
		snap.Done, snap.Unit = snap.Messages, Messages
		if !bounded {
			return
		}
		snap.Total = snap.Messages
		for _, p := range s.Status() {
			snap.Total += p.Lag()
		}
	}
}

// partitionPlaces are the partitions of a topic as positions name them. Workers share it.
type partitionPlaces struct {
	source *kafka.Source
	mu     sync.RWMutex
	known  map[string]transform.Place
}

func newPartitionPlaces(s *kafka.Source) *partitionPlaces {
	return &partitionPlaces{source: s, known: map[string]transform.Place{}}
}

// of returns the zero Place for what is no partition of the topic: then a position says nothing.
func (p *partitionPlaces) of(name string) transform.Place {
	p.mu.RLock()
	at, ok := p.known[name]
	p.mu.RUnlock()
	if ok {
		return at
	}
	if number, ok := p.source.Partition(name); ok {
		cluster, topic := p.source.Identity()
		if id, err := partitionIdentity(cluster, topic, number); err == nil {
			at = id.place(true)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[name] = at
	return at
}

// envelopeRoom is what an envelope adds to a record at most, in bytes, unless its recipients are many.
const envelopeRoom = 512

// growth is how much larger records become.
var growth = map[direction]int{encrypt: envelopeRoom, decrypt: -envelopeRoom}

func (o *opener) kafkaSink(ctx context.Context, k *kafkaEnd, in *input) (*output, error) {
	cluster, err := o.useTopic(ctx, k, sink)
	if err != nil {
		return nil, err
	}
	s, err := kafka.NewSink(ctx, cluster, kafka.SinkOptions{
		Topic: k.topic, Source: in.kafka, Growth: growth[o.do], Partition: k.partition, Delivery: k.delivery,
		Create: k.create, Compression: k.compression, Log: o.env.Log,
	})
	if err != nil {
		return nil, err
	}
	delivery := "at-least-once"
	if s.ExactlyOnce() {
		delivery = "exactly-once"
	}
	o.env.Log.Info("kafka destination", "topic", k.topic, "delivery", delivery)
	return &output{Sink: s, subject: noSubject, check: s.Check}, nil
}

// noSubject is the subject of a record in Kafka: there is none, whatever the message was called where it came from.
func noSubject(dst, _ []byte) ([]byte, error) { return dst, nil }

func (o *opener) kafkaLetters(ctx context.Context, k *kafkaEnd, in *input) (pipeline.Sink, error) {
	cluster, err := o.useTopic(ctx, k, deadLetter)
	if err != nil {
		return nil, err
	}
	s, err := kafka.NewSink(ctx, cluster, kafka.SinkOptions{
		Topic: k.topic, Source: in.kafka, DeadLetters: true, Create: k.create, Compression: k.compression, Log: o.env.Log,
	})
	if err != nil {
		return nil, err
	}
	return letterSink{s}, nil
}
