package endpoint

import (
	"io"
	"log/slog"
	"time"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/internal/retry"
	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Session has everything that the ends of one route need to be opened, and
// everything that they share. One goroutine uses it, while the route is opened.
type Session struct {
	Log    *slog.Logger
	Stdin  io.Reader
	Stdout io.Writer
	// Watch is told of lanes, connections and retries. It is never nil.
	Watch *watch.Route

	// Patience bounds the waits for services; nil: each is tried once.
	Patience *retry.Patience

	// Workers, Budget and ReadAhead are those of pipeline.Options. Budget is
	// never 0.
	Workers, Budget, ReadAhead int
	// Grace is how long writes and commits may go on after the route was told
	// to end; 0 stands for the pipeline's default.
	Grace time.Duration
	// Instance names this process among those that share a source, and is the
	// same when it is started again; "" stands for a random name.
	Instance string
	// Overwrite allows to replace an output that exists.
	Overwrite bool
	// Checkpoint is the path of the file that keeps positions; "" for none.
	Checkpoint string
	// To is Traits.Identity of the sink, and Mapping its rule for subjects; ""
	// where nothing is written.
	To, Mapping string
	// Written are the ends that the route writes. A source that may choose what
	// it reads never reads them.
	Written []Endpoint
	// Announce, if not nil, is told of each topic of which messages are about
	// to be read, again after a lane was lost. It does not block, and is called
	// by several goroutines.
	Announce func(topic string)
	// Work, Context and Keys are what the route does, the name that its
	// envelopes are bound to, and the names of its keys. A checkpoint keeps
	// them.
	Work, Context string
	Keys          []string
	// NoteCompressed, if not nil, is told that messages are compressed where
	// they are stored, if that shows only when they are read. It does not
	// block, and is called by several goroutines, perhaps more than once.
	NoteCompressed func()
	// OneLane says that the sink takes one lane at a time.
	OneLane bool
	// Growth is how many bytes larger messages become at most; below zero:
	// smaller.
	Growth int
	// Opens says that the source holds envelopes, Seals that messages are
	// written as envelopes.
	Opens, Seals bool
	// Compares says that the source is the plaintext of a comparison. Messages
	// that it deletes before they are read are no failure: see
	// Source.FirstKept.
	Compares bool
	// HasGate says that messages pass a Gate.
	HasGate bool
	// KeySet tells apart the sets of keys that messages are sealed with; zero
	// for a route that does not seal.
	KeySet [8]byte
	// IsSameMessage tells whether an envelope that a broker has stored is one
	// of the message that is written; nil for a route that does not seal.
	// Several goroutines may call it.
	IsSameMessage func(stored, written *pipeline.Message) bool
	// Archive is for files of envelopes.
	Archive archive.Functions
	// OnClose takes a function that is called when the route is closed. The
	// functions are called in reverse order.
	OnClose func(close func() error)

	shared map[any]any
}

// Share returns the value that the ends of a route have in common under key:
// the first caller opens it. As with contexts, a key is of a type that the room
// has for itself. An error is not kept.
func Share[V any](s *Session, key any, open func() (V, error)) (V, error) {
	if v, ok := s.shared[key].(V); ok {
		return v, nil
	}
	v, err := open()
	if err != nil {
		return v, err
	}
	if s.shared == nil {
		s.shared = map[any]any{}
	}
	s.shared[key] = v
	return v, nil
}
