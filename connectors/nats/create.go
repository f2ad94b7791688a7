package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// openStream finds the stream or creates it.
func openStream(ctx context.Context, conn *Conn, o SinkOptions) (*jetstream.StreamInfo, error) {
	stream, err := conn.js.Stream(ctx, o.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) && o.Create {
		cfg := o.newStream(conn)
		if stream, err = conn.js.CreateStream(ctx, cfg); err == nil {
			o.Log.Info("nats stream made", "stream", cfg.Name, "subjects", cfg.Subjects, "replicas", cfg.Replicas,
				"max_age", cfg.MaxAge, "max_msgs", cfg.MaxMsgs, "max_bytes", cfg.MaxBytes,
				"max_msgs_per_subject", cfg.MaxMsgsPerSubject, "max_msg_size", cfg.MaxMsgSize,
				"duplicates", cfg.Duplicates, "rollup", cfg.AllowRollup, "msg_ttl", cfg.AllowMsgTTL,
				"atomic", cfg.AllowAtomicPublish)
		}
	} else if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("%w (create it, or say create=true)", err)
	}
	if err != nil {
		return nil, err
	}
	return stream.CachedInfo(), nil
}

const (
	minDuplicates        = 2 * time.Minute // the server's default
	duplicatesPerAckWait = 3
	// bucketPrefix begins the names of streams that are KV buckets.
	bucketPrefix = "KV_"
)

// newStream returns the stream that is made: as strong as the one that is read.
func (o SinkOptions) newStream(conn *Conn) jetstream.StreamConfig {
	cfg := jetstream.StreamConfig{
		Name:        o.Stream,
		Description: "made by streamcrypt",
		Subjects:    o.subjectsToMake(),
		Storage:     jetstream.FileStorage,
		Replicas:    1,
		MaxMsgs:     -1, MaxBytes: -1, MaxMsgSize: -1, MaxMsgsPerSubject: -1,
		AllowDirect:        true,
		AllowAtomicPublish: conn.isAtLeast(2, 12),
		AllowBatchPublish:  conn.isAtLeast(2, 14),
	}
	if o.Like != nil {
		o.addStrength(&cfg, o.Like, conn)
	}
	if strings.HasPrefix(o.Stream, bucketPrefix) {
		makeBucket(&cfg, conn)
	}
	cfg.Duplicates = max(minDuplicates, duplicatesPerAckWait*o.SourceAckWait)
	if cfg.MaxAge > 0 {
		cfg.Duplicates = min(cfg.Duplicates, cfg.MaxAge) // the server takes no more
	}
	return cfg
}

func (o SinkOptions) subjectsToMake() []string {
	subjects := o.CreateSubjects
	if len(subjects) == 0 && o.Subjects.Pattern() != ">" {
		subjects = []string{o.Subjects.Pattern()}
	}
	if bucket, ok := strings.CutPrefix(o.Stream, bucketPrefix); ok && len(subjects) == 0 {
		subjects = []string{"$KV." + bucket + ".>"}
	}
	// With no subjects at all the server takes the stream's name for the
	// subject.
	return subjects
}

// addStrength takes over the settings on which it depends what is kept, and for
// how long. Bytes are doubled: an envelope is larger than its message.
func (o SinkOptions) addStrength(cfg, like *jetstream.StreamConfig, conn *Conn) {
	cfg.Replicas = max(like.Replicas, 1)
	if o.IDs.DeadLetters {
		return // they are kept until somebody has looked at them
	}
	cfg.MaxAge, cfg.MaxMsgsPerSubject, cfg.Discard = like.MaxAge, orNone(like.MaxMsgsPerSubject), like.Discard
	cfg.MaxMsgs = orNone(like.MaxMsgs)
	if like.MaxBytes > 0 {
		cfg.MaxBytes = 2 * like.MaxBytes
	}
	if like.MaxMsgSize > 0 {
		cfg.MaxMsgSize = like.MaxMsgSize + int32(max(o.Growth, 0)) + sizeOfOwnHeaders
	}
	cfg.AllowRollup, cfg.DenyDelete, cfg.DenyPurge = like.AllowRollup, like.DenyDelete, like.DenyPurge
	if conn.isAtLeast(2, 11) {
		cfg.AllowMsgTTL = like.AllowMsgTTL
	}
	if o.Plain && cfg.AllowMsgTTL {
		// Nobody seals the markers that a server writes, so readers of a sealed
		// stream would refuse them. Those of the source travel sealed.
		cfg.SubjectDeleteMarkerTTL = like.SubjectDeleteMarkerTTL
	}
}

// sizeOfOwnHeaders is more than the headers that a sink adds to a message.
const sizeOfOwnHeaders = 512

func orNone(limit int64) int64 {
	if limit <= 0 {
		return -1
	}
	return limit
}

// makeBucket makes a KV bucket of a stream, as clients of KV expect it.
func makeBucket(cfg *jetstream.StreamConfig, conn *Conn) {
	cfg.MaxMsgsPerSubject = max(cfg.MaxMsgsPerSubject, 1)
	cfg.AllowRollup, cfg.DenyDelete, cfg.AllowDirect = true, true, true
	cfg.Discard = jetstream.DiscardNew
	cfg.AllowMsgTTL = conn.isAtLeast(2, 11)
}

// checkStream refuses a stream that would refuse every message, lose it, or
// make it unreadable.
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
	case cfg.AllowMsgCounter:
		return errors.New("it holds counters and takes no messages")
	case cfg.Retention == jetstream.InterestPolicy && s.stream.State.Consumers == 0:
		return errors.New("it keeps messages for its consumers only (interest retention), and has none: " +
			"it would acknowledge everything and keep nothing (make a consumer first)")
	case cfg.SubjectTransform != nil && cfg.SubjectTransform.Destination != "":
		return errors.New("it changes subjects (subject_transform): an envelope is bound to the subject under which " +
			"it is published, and could not be opened (let subject= make the subjects instead)")
	case cfg.MaxMsgSize > 0 && int(cfg.MaxMsgSize) < s.Growth+sizeOfOwnHeaders:
		return fmt.Errorf("its max_msg_size of %d bytes has no room for any message", cfg.MaxMsgSize)
	case pattern != ">" && !s.takesSubject(pattern) && !coversAny(pattern, cfg.Subjects):
		return fmt.Errorf("subject %q is not among its subjects %q (choose one with subject=, or add it to the stream)",
			pattern, cfg.Subjects)
	}
	return nil
}

// listWarnings returns what is allowed and likely unwanted.
func (s *Sink) listWarnings() []string {
	cfg := s.stream.Config
	var warnings []string
	warn := func(format string, args ...any) {
		warnings = append(warnings, "stream "+cfg.Name+": "+fmt.Sprintf(format, args...))
	}
	if need := duplicatesPerAckWait * s.SourceAckWait; cfg.Duplicates < need {
		warn("duplicates window %v is below three times the source's AckWait (%v): "+
			"a message that is written again later than that is stored twice", cfg.Duplicates, need)
	}
	if cfg.Storage == jetstream.MemoryStorage {
		warn("it is kept in memory: what it has acknowledged is gone when its servers are")
	}
	if cfg.PersistMode == jetstream.AsyncPersistMode {
		warn("persist_mode is async: it acknowledges messages before they are on disk")
	}
	if cfg.DiscardNewPerSubject {
		warn("it refuses new messages of a subject that is full (discard_new_per_subject): " +
			"they become dead letters, or park the source")
	}
	if s.Like == nil {
		return warnings
	}
	if s.KeepsLastValues() && !s.IDs.DeadLetters && !s.canBatch() {
		warn("it takes no atomic batches (allow_atomic, NATS 2.12), so messages are written to it one at a time")
	}
	if cfg.Replicas < s.Like.Replicas {
		warn("it has %d replicas, the source %d", cfg.Replicas, s.Like.Replicas)
	}
	if s.IDs.DeadLetters {
		return warnings
	}
	if cfg.MaxAge > 0 && (s.Like.MaxAge == 0 || cfg.MaxAge < s.Like.MaxAge) {
		warn("it deletes messages after %v, before the source does", cfg.MaxAge)
	}
	for _, text := range listEvictions(&cfg, s.Like) {
		warn("%s", text)
	}
	if s.Like.AllowRollup && !cfg.AllowRollup {
		warn("it allows no rollup (allow_rollup_hdrs), so what is purged in the source stays in it")
	}
	if s.Like.AllowMsgTTL && !cfg.AllowMsgTTL {
		warn("it allows no TTL (allow_msg_ttl), so what expires in the source stays in it")
	}
	return warnings
}

// KeepsLastValues tells whether the stream keeps so few messages per subject
// that an older one which comes late would be taken for the present value.
func (s *Sink) KeepsLastValues() bool { return keepsLastValues(&s.stream.Config) }

// IsCompacted tells whether the stream deletes older messages of a subject, and
// so messages out of its middle, as every KV bucket does.
func (s *Source) IsCompacted() bool { return keepsLastValues(&s.streamConfig) }

// IsCompressed tells whether the stream is compressed on disk.
func (s *Source) IsCompressed() bool { return s.streamConfig.Compression != jetstream.NoCompression }

// HasMarkers tells whether the server writes a marker into the stream when the
// last message of a subject has expired.
func (s *Source) HasMarkers() bool { return s.streamConfig.SubjectDeleteMarkerTTL > 0 }

func keepsLastValues(c *jetstream.StreamConfig) bool { return c.MaxMsgsPerSubject > 0 }
