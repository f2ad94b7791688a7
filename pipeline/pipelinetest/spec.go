package pipelinetest

import (
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Carries says which parts of a message a medium holds and gives back
// unchanged. Every medium carries values, empty ones included.
type Carries struct {
	Key       bool // Message.Key, null and empty told apart
	NullValue bool // a null Value, told apart from an empty one; needs Key
	Headers   bool // Message.Headers, repeated names and empty values included
	// HeaderOrder: headers of different names keep their order, too, not only
	// those of one name.
	HeaderOrder bool
	NullHeader  bool // a null header value, told apart from an empty one
	Binary      bool // any byte in keys and header values, else printable ASCII
	Text        bool // values are printable ASCII, else any byte
	// Time is the resolution of Message.Time; 0 says that the medium stamps
	// messages itself.
	Time time.Duration
}

// SourceSpec describes a Source to the suite.
type SourceSpec struct {
	Carries Carries
	// New makes an empty medium for one subtest and registers its cleanup with
	// t.
	New func(t *testing.T) SourceMedium

	// Ordered: the offsets of a place grow in read order and messages come in
	// the order of Put.
	Ordered bool
	// Resumes: a Source opened again on the same medium begins behind the
	// committed position.
	Resumes bool
	// ServesAgain: a lane that ended with ErrLost is served again from its last
	// commit.
	ServesAgain bool
	// Live: the medium has the hook Live.
	Live bool
	// Revokes: the medium has the hook Revoke. Needs Live.
	Revokes bool
	// Gaps: the medium has the hook Gap.
	Gaps bool

	// MaxValue is the longest value the suite puts into the medium; 0 means 256
	// KiB.
	MaxValue int
	// Timeout is how long a subtest may take before it counts as hung; 0 means
	// 30 s.
	Timeout time.Duration
}

// SourceMedium is one medium that a Source reads: a file, a stream, a topic.
// Its hooks are called from the test's goroutine, Revoke and Put also while a
// Source runs.
type SourceMedium struct {
	// Put appends messages durably and in order. It may spread them over
	// several places; Origin is empty and ignored. It keeps no slice.
	Put func(msgs []pipeline.Message)
	// Bounded opens a Source that ends by itself after all that Put had stored.
	Bounded func() pipeline.Source
	// Live opens a Source that waits for more until its context is done.
	Live func() pipeline.Source
	// Revoke takes the lanes of the running live Source away, as a rebalance
	// does, and gives them back. It returns when they are gone.
	Revoke func()
	// Gap stores something that moves the position and never becomes a message:
	// a control record, a deleted or aborted message.
	Gap func()
}

// SinkSpec describes a Sink to the suite.
type SinkSpec struct {
	Carries Carries
	// New makes an empty medium for one subtest and registers its cleanup with
	// t.
	New func(t *testing.T) SinkMedium

	// Atomic: messages written without a position are gone after Close. Without
	// it they may stay.
	Atomic bool
	// Lanes: several lanes may write at the same time.
	Lanes bool
	// Refuses: the medium does not take every message, and has the hook Spoil.
	Refuses bool

	// MaxValue is the longest value the suite writes; 0 means 256 KiB.
	MaxValue int
	// Timeout is how long a subtest may take before it counts as hung; 0 means
	// 30 s.
	Timeout time.Duration
}

// SinkMedium is one medium that a Sink writes.
type SinkMedium struct {
	// Sink opens the Sink.
	Sink func() pipeline.Sink
	// Stored returns the durable messages, in order. It is called after the
	// writers have been closed.
	Stored func() []pipeline.Message
	// Spoil changes a message so that the medium does not take it.
	Spoil func(m *pipeline.Message)
}

// PairSpec describes a Source and a Sink of which one keeps the position of the
// other.
type PairSpec struct {
	Carries Carries
	// New makes an empty medium for one subtest and registers its cleanup with
	// t.
	New func(t *testing.T) PairMedium

	// ExactlyOnce: a run that was cut off and begun again stores every message
	// once. Without it a message may be stored again, but none is lost and
	// first appearances keep their order.
	ExactlyOnce bool

	// Timeout is how long a subtest may take before it counts as hung; 0 means
	// 30 s.
	Timeout time.Duration
}

// PairMedium is a source and a destination.
type PairMedium struct {
	// Put appends messages to the source; see SourceMedium.Put.
	Put func(msgs []pipeline.Message)
	// Open returns a bounded Source and a Sink, once per run; runs follow each
	// other.
	Open func() (pipeline.Source, pipeline.Sink)
	// Stored returns the messages that the destination holds, in order, after a
	// run has ended.
	Stored func() []pipeline.Message
}
