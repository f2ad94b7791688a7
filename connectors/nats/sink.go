package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	// Create makes the stream if there is none, on file storage, with
	// CreateSubjects, or if that is empty with the pattern of Subjects. A
	// stream that exists is left as it is.
	Create         bool
	CreateSubjects []string

	// Incarnation tells apart sources that give the same origins to different
	// messages, as a stream does that was deleted and made anew. It is part of
	// every message id; the source's identity is right. It may be empty.
	Incarnation string
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
}

// NewSink opens a stream for writing and checks that it takes the messages that
// will be written.
func NewSink(ctx context.Context, conn *Conn, o SinkOptions) (*Sink, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	info, err := openStream(ctx, conn, o)
	if err != nil {
		return nil, fmt.Errorf("nats stream %s: %w", o.Stream, err)
	}
	s := &Sink{SinkOptions: o, conn: conn, stream: info, inFlight: newInFlight(o.InFlightBytes, o.InFlight)}
	if err := s.checkStream(); err != nil {
		return nil, fmt.Errorf("nats stream %s: %w", o.Stream, err)
	}
	s.warnings = s.addWarning()
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
	if o.InFlightBytes == 0 {
		o.InFlightBytes = DefaultInFlightBytes
	}
	if o.InFlight == 0 {
		o.InFlight = DefaultInFlight
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o, nil
}

// openStream finds the stream or creates it.
func openStream(ctx context.Context, conn *Conn, o SinkOptions) (*jetstream.StreamInfo, error) {
	stream, err := conn.js.Stream(ctx, o.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) && o.Create {
		stream, err = conn.js.CreateStream(ctx, o.newStream())
	} else if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("%w (create it, or say create=true)", err)
	}
	if err != nil {
		return nil, err
	}
	return stream.CachedInfo(), nil
}

func (o SinkOptions) newStream() jetstream.StreamConfig {
	subjects := o.CreateSubjects
	if len(subjects) == 0 && o.Subjects.Pattern() != ">" {
		subjects = []string{o.Subjects.Pattern()}
	}
	// With no subjects at all the server takes the stream's name for the
	// subject.
	return jetstream.StreamConfig{
		Name:       o.Stream,
		Subjects:   subjects,
		Storage:    jetstream.FileStorage,
		Duplicates: max(minDuplicates, duplicatesPerAckWait*o.SourceAckWait),
	}
}

const (
	minDuplicates        = 2 * time.Minute // the server's default
	duplicatesPerAckWait = 3
)

// checkStream refuses a stream that would refuse every message.
func (s *Sink) checkStream() error {
	cfg := s.stream.Config
	pattern := s.Subjects.Pattern()
	switch {
	case cfg.Mirror != nil:
		return errors.New("it mirrors another stream and takes no messages")
	case cfg.Sealed:
		return errors.New("it is sealed and takes no messages")
	case cfg.NoAck:
		return errors.New("it acknowledges nothing (no_ack), so nobody knows what is durable")
	case pattern != ">" && !s.takesSubject(pattern) && !coversAny(pattern, cfg.Subjects):
		return fmt.Errorf("subject %q is not among its subjects %q (choose one with subject=, or add it to the stream)",
			pattern, cfg.Subjects)
	}
	return nil
}

func (s *Sink) addWarning() []string {
	cfg := s.stream.Config
	var warnings []string
	if need := duplicatesPerAckWait * s.SourceAckWait; cfg.Duplicates < need {
		warnings = append(warnings, fmt.Sprintf(
			"stream %s: duplicates window %v is below three times the source's AckWait (%v): "+
				"a message that is written again later than that is stored twice", cfg.Name, cfg.Duplicates, need))
	}
	return warnings
}

// Warnings returns settings of the stream that are allowed and likely unwanted.
func (s *Sink) Warnings() []string { return slices.Clone(s.warnings) }

// StreamSubjects are the subjects that the stream takes.
func (s *Sink) StreamSubjects() []string { return slices.Clone(s.stream.Config.Subjects) }

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
	size := headerBytes(m) + valueSize
	if limit := s.Limit(); size > limit {
		return rejectHeader("too-large", "%d bytes with headers; stream %s takes %d", size, s.Stream, limit)
	}
	return nil
}

func hasStatus(m *pipeline.Message) bool {
	return slices.ContainsFunc(m.Headers, func(h pipeline.Header) bool { return h.Name == statusHeader })
}

// Open returns the lane's way into the stream.
func (s *Sink) Open(_ context.Context, lane pipeline.Lane) (pipeline.Writer, error) {
	w := &writer{sink: s}
	w.owner, _ = lane.(owner)
	return w, nil
}

// validToken tells whether s can name a stream or a consumer.
func validToken(s string) bool {
	return ValidSubject(s) && !slices.ContainsFunc([]byte(s), func(c byte) bool {
		return c == '.' || c == '*' || c == '>' || c == '/' || c == '\\'
	})
}
