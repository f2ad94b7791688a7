package kafka

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/membership"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// SourceOptions say how topics are read. Topic is required, and Group if there
// is no Until.
type SourceOptions struct {
	// Topic names a topic, several with commas between them, or with ~ in front
	// all that match a regular expression: see ParseTopicNames.
	Topic string
	// Written are the topics of the same cluster that the route writes. A
	// pattern never takes one of them.
	Written []NameMap
	// Compares says that records which are deleted before they are read are no
	// failure of a bounded run. Losses counts them.
	Compares bool
	// Group is the consumer group that the Source is a member of. A bounded run
	// is no member: it keeps its offsets in the group's name and refuses to run
	// while the group has members. Without a group a bounded run keeps no
	// offsets.
	Group string
	Start Start
	Until Until
	// Partitions are those that a bounded run reads; nil means all.
	Partitions []int32
	// Rack is where the client stands: brokers let it read from a replica in
	// the same rack.
	Rack string
	// Instance is a name for this process, unique in the group and the same at
	// each start: up to 249 letters, digits, dots, - and _. A process that is
	// started again within the session then has its partitions back at once,
	// and transactions that it left open are aborted at once and not after
	// their timeout of 10 s. Of two processes with one name the older one ends
	// with an error that matches membership.ErrInstanceTaken. Empty means a
	// random name, and a membership that is given up with the process.
	Instance string
	// Session is how long a member of the group may be silent before its
	// partitions go to others; default 10 s. Rebalance is how long the group
	// waits for members that have to join again; default 30 s.
	Session, Rebalance time.Duration
	// BrokerDeals has the broker deal partitions to members (KIP-848) instead
	// of a member of the group. Session is the broker's then.
	BrokerDeals bool
	// Grace is how long the end of a lane may take, and giving up a partition;
	// default 10 s. It is the pipeline's.
	Grace time.Duration
	// Wait is how long a bounded run waits for a transaction of somebody else
	// that is open before its end. It waits for as long as brokers let one last
	// in any case, and a minute more: 16 minutes.
	Wait time.Duration
	// TransactionalID is the prefix of the transactional ids of the lanes, for
	// brokers that restrict them. Empty means a name made of Group and
	// Instance, or for a bounded run a hash of Group and Topic.
	TransactionalID string
	// Workers is how many lanes a Source has at least, if it has as many
	// partitions; default GOMAXPROCS.
	Workers int
	// CodecMemory is the most memory that a lane's decoders of compressed
	// batches may take, in bytes. A batch that needs more is rejected as
	// too-large. Default: batch.DefaultCodecMemory, or more where the largest
	// batch of the topic or LargestRecord takes more as one block.
	CodecMemory int
	// LargestRecord is the size in bytes up to which records are of use to the
	// caller before compression; 0 if that is not known.
	LargestRecord int
	// OneLane makes one lane of all partitions, for a destination that is
	// written in one order. It asks their leaders in turns.
	OneLane bool
	// Announce is told of a topic when its first records are about to be read,
	// and again after a lane was lost. It must not block; nil means nobody.
	Announce func(topic string)
	// NoteCompressed is told of the first compressed batch that a lane reads.
	// It must not block; nil means nobody.
	NoteCompressed func()
	// Observer is told about lanes and fetches; nil means nobody.
	Observer SourceObserver
	// Stuck is told of a place that waits for something that may never come,
	// and with a nil error that it waits no more; nil means nobody. It must not
	// block.
	Stuck func(place string, waitsFor error)
	// Log is told about rebalances, lost offsets and retries; nil means
	// slog.Default.
	Log *slog.Logger
}

func (o SourceOptions) withDefaults() (SourceOptions, error) {
	names, err := ParseTopicNames(o.Topic)
	if err != nil {
		return o, err
	}
	fail := func(format string, args ...any) (SourceOptions, error) {
		return o, fmt.Errorf("%s: "+format, append([]any{names.describe()}, args...)...)
	}
	switch {
	case o.Partitions != nil && names.MayBeSeveral():
		return fail("partitions are chosen of one topic only")
	case o.Group == "" && !o.Until.Bounded():
		return fail("no group; only a run that ends (until=latest) can do without")
	case o.Start.New && o.Until.Bounded():
		return fail("a run that begins with new records has no end")
	case o.Partitions != nil && !o.Until.Bounded():
		return fail("a member of a group cannot choose its partitions; a run that ends (until=latest) can")
	case o.BrokerDeals && o.Start.IsGiven() && !o.Start.Sealed:
		return fail("where the broker deals partitions no member knows whether the group is new; " +
			"begin at the earliest record")
	case o.Workers < 0:
		return fail("%d workers", o.Workers)
	case o.CodecMemory < 0 || o.CodecMemory > 0 && o.CodecMemory < batch.MinCodecMemory:
		return fail("codec memory of %d bytes: %d is the least", o.CodecMemory, batch.MinCodecMemory)
	}
	if err := errors.Join(o.Start.check(), o.Until.check()); err != nil {
		return fail("%w", err)
	}
	err = errors.Join(membership.CheckTimes(o.Session, o.Rebalance), membership.CheckInstance(o.Instance))
	if err != nil {
		return fail("%w", err)
	}
	if o.Grace == 0 {
		o.Grace = pipeline.DefaultGrace
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o, nil
}

// Delivery is the promise about each message: see the package comment.
type Delivery int

const (
	// BestDelivery is ExactlyOnce where that is possible, and AtLeastOnce
	// elsewhere.
	BestDelivery Delivery = iota
	// ExactlyOnce is an error where it is not possible.
	ExactlyOnce
	// AtLeastOnce writes without transactions.
	AtLeastOnce
)

// SinkOptions say how topics are written. Topic is required.
type SinkOptions struct {
	// Topic names a topic, or is a template that names the topic for each
	// message: see ParseNameMap. A template needs a Source.
	Topic string
	// Source is where the messages come from, if that is a Kafka topic. The
	// destination must then have at least as many partitions (unless they are
	// chosen by key) and take records that are larger by Growth. A Source feeds
	// one Sink, dead letters not counted, and the Sink is made before the
	// Source serves.
	Source *Source
	// Growth is how many bytes larger than the Source's records those of the
	// topic may be; below zero if they are smaller.
	Growth int
	// DeadLetters says that the Sink gets the dead letters of the Source and
	// not its messages: any number of partitions will do, and the letters join
	// the transaction of the messages, if there is one.
	DeadLetters bool
	Partition   Partitioning
	Delivery    Delivery
	// Create makes the topic if it does not exist, as strong as that of the
	// Source: see planTopic. Without a Source it is the brokers' default.
	Create bool
	// Expired accepts a topic that deletes records which it is given, since
	// they are older than its retention or have a key that comes again.
	Expired bool
	// Oversize accepts a topic that does not take the largest records of the
	// Source. These are rejected then.
	Oversize bool
	// Compression of record batches. None by default: ciphertext does not
	// shrink.
	Compression batch.Compression
	// Observer is told about writes and transactions; nil means nobody.
	Observer SinkObserver
	// Log is told about retries; nil means slog.Default.
	Log *slog.Logger
}

func (o SinkOptions) withDefaults() (SinkOptions, error) {
	if _, err := ParseNameMap(o.Topic); err != nil {
		return o, err
	}
	switch {
	case o.DeadLetters && o.Delivery != BestDelivery:
		return o, fmt.Errorf("kafka topic %s: dead letters are delivered as the messages are", o.Topic)
	case o.Compression < batch.None || o.Compression > batch.Zstd:
		return o, fmt.Errorf("kafka topic %s: no such compression", o.Topic)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o, nil
}
