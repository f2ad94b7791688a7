// Package route puts a route together from a plain configuration: connectors, keys, key stores and transforms. It is the one
// place that knows all of them, and the only one that knows the forms in which people name them (README.md):
//
//	Config ─► Encrypt, Decrypt, Verify ─► Route.Run
//	            │ reads the URLs, loads keys, opens both ends, checks what can be checked before the first message
//	            ├─ records:  pipeline.Run over two connectors and a transform
//	            └─ raw:      one payload, streamed from file to file past the pipeline
//
// The package must not know where a configuration came from (flags, environment, a file), print anything, or decide about
// exit codes; that is the command's business. What it does decide are the defaults that hold for a route as a whole: its
// context, how places are named, what a header can carry at the other end, how much memory it takes.
package route

import (
	"context"
	"io"
	"log/slog"
	"time"
)

// Config is one route, as flags, environment and a file give it. The zero value of a field means its default. Fields that a
// direction has no use for are not looked at: Decrypt and Verify read no Profile, Nonce, ChunkSize or Window.
type Config struct {
	// From and To are URLs: kafka://HOST:PORT/TOPIC?group=NAME, nats://HOST:PORT/STREAM?consumer=NAME,
	// file:PATH?format=raw|ndjson|seq.
	From, To string
	// Keys are the URLs of key encryption keys: local:FILE, x25519:FILE, rsa:FILE. Encrypt seals for all of them, and Rewrap wraps
	// data keys for all of them that were wrapped for one of OldKeys.
	Keys, OldKeys []string
	// VerifyKeys has Rewrap unwrap what a key service has rewrapped without showing it, and compare commitments.
	VerifyKeys bool

	// Context is the name that every envelope is bound to. Unless ContextSet is true it is the name of the topic or stream
	// that holds the ciphertext, and empty for files.
	Context    string
	ContextSet bool
	// Bind names headers that are bound too: "header:NAME".
	Bind []string
	// Profile is "self" (the default) or "ref", which needs a KeyStore.
	Profile string
	// KeyStore is the URL of the store of key records: file:DIR.
	KeyStore string
	// Nonce is "counter" (the default) or "random".
	Nonce string
	// ChunkSize is the largest payload of a single ciphertext in bytes; 64 KiB.
	ChunkSize int64

	// Workers is how many batches are in flight; GOMAXPROCS.
	Workers int
	// Budget is the memory of a worker, ReadAhead what is read at a time, in bytes; 8 MiB and 3 MiB (1 MiB from NATS).
	Budget, ReadAhead int64
	// Window, WindowMessages and WindowBytes end a data key, whichever comes first; 15 minutes, 2^24, 64 GiB.
	Window                      time.Duration
	WindowMessages, WindowBytes uint64

	// DeadLetter is the URL of what receives rejected messages: an ndjson file, a topic or a stream. Without it the first rejected
	// message stops its lane.
	DeadLetter string
	// Checkpoint is a file that keeps how far a file has been read or written, so that the next run goes on there.
	Checkpoint string
	// Tombstones is "require" (the default) or "pass", which lets null values without an envelope through.
	Tombstones string
	// Instance names this process among the members of a Kafka group, and is the same when it is started again: what it
	// left half done is then taken back at once. Nothing else has a use for it.
	Instance string
	// Audit is a file that every key operation is recorded in (docs/audit.md); none by default.
	Audit string
	// Overwrite allows to replace an existing output file.
	Overwrite bool
	// Grace is how long writes and commits go on after the route was told to end; 10 s.
	Grace time.Duration
}

// Env is what a route has of its process. The zero value stands for the process's own.
type Env struct {
	Log    *slog.Logger // gets no payload, key or header value
	Stdin  io.Reader    // what file:- reads
	Stdout io.Writer    // what file:- writes
}

// Encrypt opens a route that seals what it reads. Everything that can be checked before the first message is checked: the
// configuration, both ends, and that every key wraps. The error is a *hint.Error where there is something to be done about it.
// The caller closes the route.
func Encrypt(ctx context.Context, c Config, env Env) (*Route, error) {
	return open(ctx, encrypt, c, env)
}

// Decrypt opens a route that opens what it reads. See Encrypt.
func Decrypt(ctx context.Context, c Config, env Env) (*Route, error) {
	return open(ctx, decrypt, c, env)
}

// Verify opens a route that opens everything it reads and writes nothing. c.To must be empty. A topic or stream is read to its
// end as of now, without a group or a durable consumer, so that verifying it changes nothing.
func Verify(ctx context.Context, c Config, env Env) (*Route, error) {
	return open(ctx, verify, c, env)
}

// direction is what a route does.
type direction int

const (
	encrypt direction = iota
	decrypt
	verify
	rewrap
)

func (d direction) String() string { return [...]string{"encrypt", "decrypt", "verify", "rewrap"}[d] }

// Route is an open route. Run is called once; Snapshot at any time and from any goroutine.
type Route struct {
	job     job
	closers closers
	keep    *string // the context that readers of the output must name
}

// job is the work of a route: records or raw.
type job interface {
	run(ctx context.Context) error
	snapshot() Snapshot
}

// Run carries messages until the source ends or ctx does, and returns after everything it started has ended. When ctx ends,
// what is in flight is written and committed within Config.Grace.
//
// That ctx ended is no error of a route that has no end of its own. One that has an end, and did not reach it, returns an
// error that matches ErrInterrupted: a caller must not take half a file for a whole one. A lane that could not go on is an
// error too, when the others have ended.
func (r *Route) Run(ctx context.Context) error { return explain(r.job.run(ctx)) }

// Snapshot says how far the route is.
func (r *Route) Snapshot() Snapshot { return r.job.snapshot() }

// Close lets go of all that the route holds. An output that did not become complete is removed. It must not be called while
// Run runs.
func (r *Route) Close() error { return r.closers.close() }
