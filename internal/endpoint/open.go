package endpoint

import (
	"context"
	"io"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Source is an open source and its properties.
type Source struct {
	pipeline.Source
	// Identity is that of the log, for positions; nil if it cannot be told from
	// others.
	Identity Identity
	// IdentifyPlace returns the identity of the log that a place belongs to, or
	// nil, where a source has several. A nil IdentifyPlace says that it is
	// Identity for all. Several goroutines may call it.
	IdentifyPlace func(place string) Identity
	// Topics returns the topics that the source has now, for one with
	// Traits.NamesTopics. Several goroutines may call it.
	Topics func() []string
	// Places is how many places there are now; 0 if only a few.
	Places int
	// NumberPlace returns the number of a place of the pipeline, if that is a
	// partition of the source. A nil NumberPlace says that the source has no
	// partitions. Several goroutines may call it.
	NumberPlace func(place string) (partition int32, ok bool)
	// RisingTerms says that the terms of messages rise along a place, and do
	// not stay as they are.
	RisingTerms bool
	// Losses tells how many messages each place deleted before they were read,
	// at most, and how many it lost after they had been read. A nil Losses says
	// that the source loses nothing unseen.
	Losses func() (deleted, cut map[string]int64)
	// FirstKept returns the offset below which a place deleted messages before
	// they were read, or 0. A nil FirstKept says that no such thing is known.
	// Several goroutines may call it.
	FirstKept func(place string) int64
	// IsCompacted tells whether messages are deleted out of the middle of a
	// place. A nil IsCompacted says that they are not. Several goroutines may
	// call it.
	IsCompacted func(place string) bool
	// Compressed says that the messages are stored compressed, so that
	// envelopes of them will take more room unless payloads are compressed
	// before. See Session.NoteCompressed too.
	Compressed bool
	// Markers says that the broker adds null values of its own to the messages,
	// which nobody has sealed.
	Markers bool
	// SealedSubject appends the subject under which a message was sealed that
	// is read under another one. A nil SealedSubject says that it is the same.
	// Several goroutines may call it.
	SealedSubject func(dst, subject []byte) ([]byte, error)
	// Name is how a checkpoint names the source.
	Name string
	// Ordered says that messages come in the order of their offsets.
	Ordered bool
	// Bounded says that the source has an end of its own, and is known to.
	Bounded bool
	// Lanes is how many lanes are served at the same time, at most.
	Lanes int
	// Largest is how many bytes one read may hold, at most.
	Largest int
	// LaneMemory is how many bytes a lane takes at most beside a read: the
	// decoders of compressed messages.
	LaneMemory int
	// AckWait is after how long a message may come again; 0: it does not.
	AckWait time.Duration
	// Peek returns the first n messages of the source, or fewer, and leaves it
	// as if it had not been read; nil if that is not possible.
	Peek func(ctx context.Context, n int) ([]pipeline.Message, error)
	// BeginsAnew returns a place of each topic that every run reads from its
	// start, because nobody keeps how far the runs before it came. A nil
	// BeginsAnew says that there are none.
	BeginsAnew func() []string
	// FreshPlaces returns the places at which a run would begin anew, although
	// nobody has said where to begin: the source has no position for them, and
	// knows of nobody else who is reading them. A nil FreshPlaces says that
	// there are none.
	FreshPlaces func(ctx context.Context) ([]string, error)
	// Keeper names the keeper of the positions, for errors about FreshPlaces;
	// "" if nobody keeps any.
	Keeper string
	// UseSealed has the source begin behind its last message in the
	// destination, at places for which it has no position: find returns that
	// offset, or one below zero if there is none. A nil UseSealed says that
	// this is not wished for.
	UseSealed func(find func(ctx context.Context, place string) (next int64, err error))
	// MeasureProgress tells how far the source has been read, of which this
	// many messages have been settled.
	MeasureProgress func(settled int64) Progress
}

// CountMemory returns how many bytes a process at most takes that runs o with
// this source (pipeline.Memory), its decoders included.
func (s *Source) CountMemory(o pipeline.Options) int64 {
	return pipeline.Memory(o, s.Lanes, s.Largest) + int64(s.Lanes)*int64(s.LaneMemory)
}

// Sink is an open sink and its properties.
type Sink struct {
	pipeline.Sink
	// Check tells whether a message can be written with a value of size bytes,
	// which may differ from m.Value while that is still to be transformed. Its
	// error is a *pipeline.Reject if the message is at fault. Several
	// goroutines may call it. A nil Check refuses nothing.
	Check func(m *pipeline.Message, size int) error
	// MapSubject appends the subject under which a message is published that
	// has the given one. A nil MapSubject leaves subjects as they are.
	MapSubject func(dst, subject []byte) ([]byte, error)
	// MapSubjectOf returns the MapSubject for the messages of a topic of the
	// source, of a sink with Traits.MapTopic for which it depends on that; nil
	// for one for which it does not.
	MapSubjectOf func(topic string) func(dst, subject []byte) ([]byte, error)
	// Finish makes the output complete. It is called once after a run that has
	// carried everything; nil if nothing is to be done.
	Finish func() error
	// LaneMemory is how many bytes the writer of a lane takes at most beside
	// its messages: the encoder where the sink compresses.
	LaneMemory int
	// WorkMemory is how many bytes each worker takes at most beside its batch,
	// to do work of the writer before its turn.
	WorkMemory int
	// KeepsLastValues tells whether only the last messages of each key or
	// subject stay where the messages of a place of the source are written. A
	// nil KeepsLastValues says that all stay. Several goroutines may call it.
	KeepsLastValues func(place string) bool
	// AtOnce says that the output appears when the source has been read to its
	// end, and not before.
	AtOnce bool
	// OpenPeekers opens Peekers of the messages that the sink holds already of
	// a place of the source, among others; nil if they cannot be looked at.
	OpenPeekers func(ctx context.Context, place string) ([]Peeker, error)
	// HoldsRecords tells whether the destination of the messages of a place of
	// the source holds records; nil if that is not known.
	HoldsRecords func(ctx context.Context, place string) (bool, error)
	// MayRepeat says that the user accepts messages that come twice.
	MayRepeat bool
}

// RawSource is an open payload.
type RawSource interface {
	// OpenReader returns a reader of the payload. It is called once. The
	// reader gives up when ctx ends, which it must. If IsSeekable, it is an
	// io.ReaderAt and an io.Seeker too.
	OpenReader(ctx context.Context) io.Reader
	IsSeekable() bool
	// Progress counts the bytes that were read in sequence.
	Progress() Progress
}

// RawSink takes a payload.
type RawSink interface {
	io.Writer
	// Commit makes the output appear. Without it nothing of the output stays,
	// unless it is a pipe.
	Commit() error
}

// Peeker looks at single messages of one place.
type Peeker interface {
	// Place is how the origins of the messages name the place.
	Place() string
	// Bounds are the offsets between which the messages are: from first to
	// below end, as of when the Peeker was made.
	Bounds() (first, end int64)
	// Peek returns the first message at or behind an offset, or io.EOF if
	// there is none before the end. The message is the caller's.
	Peek(ctx context.Context, offset int64) (pipeline.Message, error)
}

// Unit is the unit of Progress.
type Unit string

// The units.
const (
	Bytes    Unit = "bytes"
	Messages Unit = "messages"
)

// Progress is how far a source has been read.
type Progress struct {
	Done  int64 // of Total, in Unit
	Total int64 // 0 if it is not known
	Unit  Unit
}
