package nats

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Defaults of SourceOptions.
const (
	DefaultReadAhead     = 1 << 20
	DefaultAckWait       = 30 * time.Second
	DefaultMaxAckPending = 1 << 16
	DefaultLeaseBucket   = "streamcrypt"
)

const (
	minAckWait = time.Second
	// maxWindow stays below the 64 MiB that the client holds for a subscription
	// before it drops.
	maxWindow = 60 << 20
	// envelopeBytes is more than what a pull counts per message besides headers
	// and payload: the subject and the reply subject.
	envelopeBytes = 8 << 10
)

// SourceOptions say how a stream is read. Stream is required.
type SourceOptions struct {
	Stream string
	// Consumer is the durable consumer that remembers what was read. It is
	// created if it does not exist. It may be empty in a bounded run, which
	// then starts at Start and remembers nothing, and in one with a Checkpoint.
	Consumer string
	// Filters are the subjects to read, wildcards included; empty means all.
	Filters []string
	Start   Start
	// UntilEnd makes the run bounded: it ends where Until says, and after
	// whatever an earlier run, or another process with the same consumer, had
	// taken and not finished.
	UntilEnd bool
	// Compares says that messages which are deleted before they are read are no
	// failure of a bounded run. Losses counts them.
	Compares bool
	// Until is where a bounded run ends.
	Until Until

	// Sealed says that the stream holds envelopes. In a plaintext stream,
	// headers with an effect (rollup, TTL, message id) become headers of ours
	// that travel.
	Sealed bool
	// HasGate says that messages pass a Gate, and that its state is missed if
	// it is gone.
	HasGate bool
	// DropTTL leaves TTLs out.
	DropTTL bool

	// Shared says that other processes read with the same consumer at the same
	// time: more speed, and no order. Otherwise one process at a time owns the
	// consumer, by a lease in a KV bucket, and reads in the order of the
	// stream.
	Shared bool
	// LeaseBucket is the KV bucket of leases; default "streamcrypt". It is made
	// if there is none.
	LeaseBucket string
	// State keeps the Gate's state; nil keeps it in the entry of the lease,
	// without which there is none to keep.
	State StateStore
	// OpenCheckpoint opens the Checkpoint of the run when the stream is known
	// (Source.Identity, Domain, FilterSubjects); nil if there is none. It does
	// not go with Shared.
	OpenCheckpoint func(*Source) (Checkpoint, error)
	// Instance names this process to others that wait for the lease. It may be
	// empty.
	Instance string
	// Route is equal for all processes whose consumers have a part of one route
	// each, by Filters. Together they must cover the stream. It may be empty.
	Route string

	// AckWait and MaxAckPending are for a consumer that is created; defaults 30
	// s and 65,536. AckWait is how long after a crash the server waits before
	// it gives messages to somebody else.
	AckWait       time.Duration
	MaxAckPending int

	// ReadAhead is how many bytes wait to be read before no more are taken;
	// default 1 MiB. See Source.ReadAheadBytes.
	ReadAhead int

	// Announce, if not nil, is told the stream when its messages are about to
	// be read, again after a lane was lost. It does not block.
	Announce func(stream string)

	// Observer is told about lanes; nil means nobody.
	Observer SourceObserver
	// Log is told about a consumer that has to be started again; nil means
	// slog.Default.
	Log *slog.Logger
}

// Source reads a stream. Serve is called once.
type Source struct {
	SourceOptions
	conn    *Conn
	created time.Time
	domain  string
	// streamConfig is the stream's when it was opened.
	streamConfig jetstream.StreamConfig
	config       jetstream.ConsumerConfig // of the consumer, as the server has it
	backlog      uint64                   // messages for the consumer when it was opened
	last         uint64                   // the last sequence of a bounded run
	window       int                      // bytes asked for at a time
	paused       atomic.Bool              // it was said that the consumer is paused
	bucket       jetstream.KeyValue       // of leases; nil without
	lease        *lease                   // nil without
	start        startPosition            // of the next lane
	checkpoint   Checkpoint               // nil without
	resume       startPosition            // as it was when the run began
	begun        uint64                   // where the consumer stood when it was opened
	number       uint64                   // of the delivery before the next lane
	expected     []uint64                 // the sequences that the next lane must begin with
	stateTold    bool                     // it was said that the Gate's state is lost, or nobody can tell
	losses       losses
	givenUp      givenUps
	firstNew     uint64        // behind it the consumer had delivered nothing
	partWait     time.Duration // see partWait
}

// NewSource opens a stream and its consumer. It never changes a consumer that
// exists: if that does not fit o, the error lists the differences.
func NewSource(ctx context.Context, conn *Conn, o SourceOptions) (*Source, error) {
	started := time.Now()
	s, stream, err := bindStream(ctx, conn, o)
	if err != nil {
		return nil, err
	}
	if s.Consumer != "" && !s.Shared {
		if s.bucket, err = openBucket(ctx, conn, s.LeaseBucket, s.streamConfig.Replicas); err != nil {
			return nil, fmt.Errorf("nats stream %s: %w", s.Stream, err)
		}
		s.lease = s.newLease()
	}
	if err := s.loadCheckpoint(stream.CachedInfo().State.LastSeq); err != nil {
		return nil, err
	}
	if err := s.openConsumer(ctx, stream); err != nil {
		return nil, conn.explainStream(started, s.Stream, err)
	}
	return s, nil
}

// bindStream returns a Source of a stream that is there and may be read, which
// has no consumer yet.
func bindStream(ctx context.Context, conn *Conn, o SourceOptions) (*Source, jetstream.Stream, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, nil, err
	}
	if o.Consumer == "" && !o.UntilEnd && o.OpenCheckpoint == nil {
		return nil, nil, fmt.Errorf("nats stream %s: no consumer name; only a run that ends (until=latest) "+
			"or has a checkpoint can do without", o.Stream)
	}
	s := &Source{SourceOptions: o, conn: conn, partWait: partWait}
	s.window = max(o.ReadAhead, int(conn.nc.MaxPayload())+envelopeBytes)
	if s.window > maxWindow {
		return nil, nil, fmt.Errorf("nats stream %s: read-ahead, or the server's max_payload, of %d bytes is above %d",
			o.Stream, s.window, maxWindow)
	}
	started := time.Now()
	stream, err := conn.js.Stream(ctx, o.Stream)
	if err != nil {
		return nil, nil, fmt.Errorf("nats stream %s: %w", o.Stream, conn.explainStream(started, o.Stream, err))
	}
	info := stream.CachedInfo()
	s.created, s.domain, s.streamConfig = info.Created, info.Domain, info.Config
	if o.Consumer == "" && info.Config.Retention != jetstream.LimitsPolicy {
		return nil, nil, fmt.Errorf("nats stream %s: it deletes what has been read (%v retention), "+
			"so a run without a consumer name could lose messages", o.Stream, info.Config.Retention)
	}
	if err := s.checkFilters(ctx, stream); err != nil {
		return nil, nil, err
	}
	s.last, err = s.findLast(ctx, conn, stream)
	return s, stream, err
}

func (o SourceOptions) withDefaults() (SourceOptions, error) {
	switch {
	case !validToken(o.Stream):
		return o, fmt.Errorf("nats: %q is not a stream name", o.Stream)
	case o.Shared && o.OpenCheckpoint != nil:
		return o, fmt.Errorf("nats stream %s: a shared consumer has no order that a checkpoint could keep", o.Stream)
	case o.Consumer != "" && !validToken(o.Consumer):
		return o, fmt.Errorf("nats stream %s: %q is not a consumer name", o.Stream, o.Consumer)
	case o.LeaseBucket != "" && !validToken(o.LeaseBucket):
		return o, fmt.Errorf("nats stream %s: %q is not the name of a KV bucket", o.Stream, o.LeaseBucket)
	case o.Start.countGiven() > 1:
		return o, fmt.Errorf("nats stream %s: more than one start is given", o.Stream)
	case o.Until.Sequence > 0 && !o.Until.Time.IsZero():
		return o, fmt.Errorf("nats stream %s: more than one end is given", o.Stream)
	case o.Until != Until{} && !o.UntilEnd:
		return o, fmt.Errorf("nats stream %s: an end of a run that has none", o.Stream)
	case o.Start.New && o.UntilEnd:
		return o, fmt.Errorf("nats stream %s: a run that begins with new messages has no end", o.Stream)
	case o.AckWait < 0 || o.AckWait > 0 && o.AckWait < minAckWait:
		return o, fmt.Errorf("nats stream %s: AckWait of %v is below %v", o.Stream, o.AckWait, minAckWait)
	case o.MaxAckPending < 0 || o.ReadAhead < 0:
		return o, fmt.Errorf("nats stream %s: a bound is negative", o.Stream)
	}
	if o.AckWait == 0 {
		o.AckWait = DefaultAckWait
	}
	if o.MaxAckPending == 0 {
		o.MaxAckPending = DefaultMaxAckPending
	}
	if o.ReadAhead == 0 {
		o.ReadAhead = DefaultReadAhead
	}
	if o.LeaseBucket == "" {
		o.LeaseBucket = DefaultLeaseBucket
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o, nil
}

// Ordered tells whether offsets grow in read order: unless the consumer is
// shared.
func (s *Source) Ordered() bool { return !s.Shared }

// Identity identifies the stream beyond its name: the name, and when the stream
// was made in unix nanoseconds.
func (s *Source) Identity() (stream string, createdUnixNano int64) {
	return s.Stream, s.created.UnixNano()
}

// ChangesSubjects tells whether messages have other subjects in the stream than
// those under which they were published.
func (s *Source) ChangesSubjects() bool {
	c := &s.streamConfig
	changes := func(from *jetstream.StreamSource) bool { return from != nil && len(from.SubjectTransforms) > 0 }
	return c.SubjectTransform != nil || changes(c.Mirror) || slices.ContainsFunc(c.Sources, changes)
}

// StreamCreated is when the stream was made.
func (s *Source) StreamCreated() time.Time { return s.created }

// Backlog is how many messages waited for the consumer when it was opened, for
// progress reports. Up to an end that is not the stream's there may be fewer.
func (s *Source) Backlog() uint64 { return s.backlog }

// ConsumerAckWait is the consumer's AckWait, which its operator may have
// chosen.
func (s *Source) ConsumerAckWait() time.Duration { return s.config.AckWait }

// ReadAheadBytes is the most that a lane holds besides the batches that it has
// handed out: what waits to be read, and what has been asked for, structs
// included. A request is never below the server's max_payload, since the server
// delivers no message to a smaller one. Messages that the server gave up come
// on top: ReadAhead, and the one that goes beyond it.
func (s *Source) ReadAheadBytes() int {
	if s.Shared && s.hasLimit() {
		return s.ReadAhead + 5*s.window
	}
	return s.ReadAhead + 3*s.window
}
