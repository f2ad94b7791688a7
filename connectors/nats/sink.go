package nats

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Defaults of SinkOptions.
const (
	DefaultInFlightBytes = 16 << 20
	DefaultInFlight      = 4096
)

// SinkOptions says which stream is written. Stream is required.
type SinkOptions struct {
	Stream string
	// Subjects says how subjects are made. What it can yield must lie within
	// the stream's subjects; where that depends on the message, Check does. The
	// Sink itself applies it only to a message that has no subject yet, such as
	// a dead letter: others were given theirs by the Transform.
	Subjects SubjectMap
	// Create makes the stream if there is none: on file storage, as strong as
	// Like, with CreateSubjects, or if that is empty with the pattern of
	// Subjects. A stream that exists is left as it is.
	Create         bool
	CreateSubjects []string

	// Plain says that messages are written that were decrypted: headers with an
	// effect are given back to the server under its own names.
	Plain bool
	// IDs say how messages are named.
	IDs IDOptions
	// IsOurs tells whether a message that the stream holds under one of our ids
	// is the one that was to be written, which another run may have written in
	// other bytes. Of stored only Value, Headers and Subject are set. Nil
	// leaves it at the id. Several goroutines call it.
	IsOurs func(stored, written *pipeline.Message) bool
	// Like is the configuration of the stream that is read, if it is one: a
	// stream that is made becomes as strong, and one that exists is compared.
	Like *jetstream.StreamConfig
	// Growth is how many bytes larger than in Like messages may be.
	Growth int

	// Publish says how messages are published. A mode that the server or the
	// stream does not have gives way to PublishAsync.
	Publish PublishMode
	// SyncAlways says that the servers flush each message to disk by itself
	// (sync_interval: always), which they do not tell.
	SyncAlways bool

	// SourceAckWait is the AckWait of the source, if it has one: the stream's
	// duplicates window should be three times as long.
	SourceAckWait time.Duration

	// InFlightBytes and InFlight bound messages published and not acknowledged,
	// over all writers; defaults 16 MiB and 4096. One message may be larger.
	InFlightBytes, InFlight int

	// Observer is told about writes; nil means nobody.
	Observer SinkObserver
	// Log is told about publishes that are tried again; nil means slog.Default.
	Log *slog.Logger
}

// Sink writes to a stream. It may be used by any number of lanes, and by
// several runs.
type Sink struct {
	SinkOptions
	conn     *Conn
	stream   *jetstream.StreamInfo
	inFlight *inFlight
	warnings []string
	believes atomic.Bool // what the stream says is a duplicate is believed

	// How messages are published: see chooseMode.
	atomic, batches, fast atomic.Bool
	batchSize             atomic.Int64
}

// NewSink opens a stream for writing and checks that it takes the messages that
// will be written.
func NewSink(ctx context.Context, conn *Conn, o SinkOptions) (*Sink, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	started := time.Now()
	info, err := openStream(ctx, conn, o)
	if err != nil {
		return nil, fmt.Errorf("nats stream %s: %w", o.Stream, conn.explainSince(started, err))
	}
	s := &Sink{SinkOptions: o, conn: conn, stream: info, inFlight: newInFlight(o.InFlightBytes, o.InFlight)}
	if err := s.checkStream(); err != nil {
		return nil, fmt.Errorf("nats stream %s: %w", o.Stream, err)
	}
	s.chooseMode()
	s.warnings = s.listWarnings()
	return s, nil
}

func (o SinkOptions) withDefaults() (SinkOptions, error) {
	switch {
	case !validToken(o.Stream):
		return o, fmt.Errorf("nats: %q is not a stream name", o.Stream)
	case o.InFlightBytes < 0 || o.InFlight < 0:
		return o, errors.New("nats: a bound on what is in flight is negative")
	case len(o.CreateSubjects) > 0 && !o.Create:
		return o, fmt.Errorf("nats stream %s: subjects are given only for a stream that is created", o.Stream)
	}
	if err := o.checkMode(); err != nil {
		return o, err
	}
	if o.InFlightBytes == 0 {
		o.InFlightBytes = DefaultInFlightBytes
	}
	if o.InFlight == 0 {
		o.InFlight = DefaultInFlight
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.IDs = o.IDs.withSecret()
	return o, nil
}

// Warnings returns settings of the stream that are allowed and likely unwanted.
func (s *Sink) Warnings() []string { return slices.Clone(s.warnings) }

// StreamSubjects are the subjects that the stream takes.
func (s *Sink) StreamSubjects() []string { return slices.Clone(s.stream.Config.Subjects) }

// Messages is how many messages the stream held when it was opened.
func (s *Sink) Messages() uint64 { return s.stream.State.Msgs }

// StreamCreated is when the stream was made. Together with its name it
// identifies the stream.
func (s *Sink) StreamCreated() time.Time { return s.stream.Created }

// takesSubject tells whether the stream takes all of a subject pattern.
func (s *Sink) takesSubject(pattern string) bool {
	return slices.ContainsFunc(s.stream.Config.Subjects, func(by string) bool { return coversSubject(by, pattern) })
}

// Limit is how long a message may be, in bytes, headers included: the lower of
// the server's max_payload and the stream's own limit.
func (s *Sink) Limit() int {
	limit := int(s.conn.nc.MaxPayload())
	if own := int(s.stream.Config.MaxMsgSize); own > 0 {
		limit = min(limit, own)
	}
	return limit
}

// subjectOf is where m is published.
func (s *Sink) subjectOf(m *pipeline.Message) string {
	if len(m.Subject) > 0 {
		return string(m.Subject)
	}
	return s.Subjects.fixed
}

// Check tells whether m can be written under m.Subject with a value of
// valueSize bytes, which may differ from m.Value while that is still to be
// transformed. Besides what CheckHeaders refuses, it refuses a Status header on
// an empty value, which readers take for a word from the server. Its error is a
// *pipeline.Reject with the reason too-large or one of CheckHeaders, or matches
// ErrSubject, which is no fault of one message alone. It may be called at any
// time, from any goroutine.
func (s *Sink) Check(m *pipeline.Message, valueSize int) error {
	if err := CheckHeaders(m); err != nil {
		return err
	}
	if valueSize == 0 && hasStatus(m) {
		return rejectHeader("header",
			"header %s on a message without payload reads as a word from the server", statusHeader)
	}
	if subject := s.subjectOf(m); !ValidSubject(subject) || !s.takesSubject(subject) {
		return fmt.Errorf("stream %s: %w: %q is not among its subjects %q",
			s.Stream, ErrSubject, subject, s.stream.Config.Subjects)
	}
	return s.checkSize(m, valueSize)
}

func hasStatus(m *pipeline.Message) bool {
	return slices.ContainsFunc(m.Headers, func(h pipeline.Header) bool { return h.Name == statusHeader })
}

// Open returns the lane's way into the stream.
func (s *Sink) Open(_ context.Context, lane pipeline.Lane) (pipeline.Writer, error) {
	answers, err := newAnswers(s.conn, s.Stream)
	if err != nil {
		return nil, fmt.Errorf("nats stream %s: %w", s.Stream, err)
	}
	w := &writer{sink: s, ids: newIDMaker(s.IDs, s.Stream), answers: answers, fence: s.newFence(lane)}
	w.owner, _ = lane.(owner)
	w.news, _ = lane.(deliveryTeller)
	w.fastName = rand.Text()
	return w, nil
}

// ValidBucket tells whether s can name a KV bucket.
func ValidBucket(s string) bool { return validToken(s) }

// validToken tells whether s can name a stream or a consumer.
func validToken(s string) bool {
	return ValidSubject(s) && !slices.ContainsFunc([]byte(s), func(c byte) bool {
		return c == '.' || c == '*' || c == '>' || c == '/' || c == '\\'
	})
}
