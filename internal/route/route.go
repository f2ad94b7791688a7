// Package route puts a route together from a plain configuration: its ends, its
// keys and a transform.
//
//	Config ─► Encrypt, Decrypt, Verify, Rewrap ─► Route.Run
//	    │ reads the URLs, loads keys, opens both ends, and checks everything
//	    │ that can be checked before the first message
//	    ├─ records:  pipeline.Run over a source, a transform and a sink
//	    └─ raw:      one payload, streamed past the pipeline
//
// Files:
//
//	route.go            Config, Env, and the Route that runs
//	plan.go, rules.go   a configuration that is consistent; nothing is open
//	distinct.go         nothing that is read is written over
//	open.go, ends.go    opening, and everything that ends are opened with
//	records.go, raw.go  the two kinds of route
//	endings.go, name.go descriptions and names of routes, and how they end
//	endnames.go         errors name the end that they are about
//	fit.go, place.go    between ends and transform: headers, names of places
//	protection.go       what envelopes are bound to, coding, signatures
//	policy.go           what becomes of messages that are refused
//	archive.go          what archives need to know of envelopes
//	keyset.go           keys of a route; reload.go loads them again
//	rewrap*.go          routes that rewrap: rules, records, key stores
//	formats.go          formats of other tools; other*.go opens and seals
//	check.go, peek.go   checks of keys; looks at single messages
//	preview.go, places.go   a look before the run, and how places stand
//	advice.go           advice about errors
//	follow.go           who is told of batches and calls, for traces
//
// The package decides the defaults that hold for a route as a whole: its
// context, how places are named, how headers are encoded for the other end, how
// much memory the route takes.
//
// The package must not know any kind of end or key: a question about an end is
// answered by its endpoint.Traits. It must not know where a configuration came
// from (flags, environment, a file), print anything, or decide about exit
// codes; that is the command's business.
package route

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Config is one route, as flags, environment and a file give it. The zero value
// of a field means its default. Fields that a direction does not use are not
// looked at: Decrypt and Verify read no Profile, Nonce, ChunkSize or Window.
type Config struct {
	// Name is the name of the route in logs, metrics and audit lines; by
	// default that of NameOf.
	Name string
	// From and To are URLs of ends: docs/urls.md.
	From, To string
	// Keys are the URLs of key encryption keys: docs/urls.md. Encrypt seals for
	// all of them, and Rewrap wraps data keys for all of them that were wrapped
	// for one of OldKeys. Convert opens with OldKeys, or with Keys if there are
	// none, and seals for Keys.
	Keys, OldKeys []string
	// VerifyKeys has Rewrap unwrap every data key that a key service has
	// rewrapped without showing it, and compare commitments.
	VerifyKeys bool

	// Context is the name that every envelope is bound to. Unless ContextSet is
	// true it is the name of the topic or stream that holds the ciphertext, and
	// empty for files.
	Context    string
	ContextSet bool
	// KeyContext is the name that data keys are bound to; "" for that of
	// Context.
	KeyContext string
	// Bind says what envelopes are bound to beside it: "all" headers (the
	// default), "none", "header:NAME" for each of some, and "time".
	Bind []string
	// PassExtraHeaders has headers passed on that were not sealed, which
	// Decrypt leaves out otherwise.
	PassExtraHeaders bool
	// Sign is the file of the key that vouches for data keys, Signers those of
	// the keys that are trusted to.
	Sign    string
	Signers []string
	// Compress is "none" (the default) or "zstd", Dictionary the file of a
	// dictionary for it, or for reading. Pad is "none", "padme" or a number of
	// bytes.
	Compress, Dictionary, Pad string
	// Receipt is the file of a receipt that an archive must satisfy. Repair has
	// an archive appended to that has no proper end.
	Receipt string
	Repair  bool
	// On has actions for messages that are refused: "REASON=ACTION".
	On []string
	// Breaker has a place of a route that decrypts parked, over restarts too,
	// after so many refusals within a time that may be guesses: "10/60s" (the
	// default), or "off". Resume lets places go on that are parked so.
	Breaker string
	Resume  bool
	// MaxAge is how long ago an envelope may have been sealed; 0: any time.
	// MaxSkew is how far clocks may differ; 5 minutes.
	MaxAge, MaxSkew time.Duration
	// Format is the format of messages that Encrypt and Convert make: "cose"
	// (the default of Encrypt) for envelopes, or one of other tools: "jwe",
	// "cms", "cms-pem". Accept are formats that Decrypt and Verify open beside
	// envelopes.
	Format string
	Accept []string
	// Profile is "self" (the default) or "ref", which needs a KeyStore.
	Profile string
	// KeyStore is the URL of the store of key records.
	KeyStore string
	// Nonce is "counter" (the default) or "random".
	Nonce string
	// ChunkSize is the largest payload of a single ciphertext in bytes; 64 KiB.
	ChunkSize int64

	// Workers is how many batches are in flight; GOMAXPROCS.
	Workers int
	// Budget is the memory of a worker, ReadAhead how much is read at a time,
	// in bytes; 8 MiB, and 3 MiB or the default of the source's kind.
	Budget, ReadAhead int64
	// Rate is how many bytes of plaintext the route carries in a second at
	// most, keys and values; 0: as many as it can. For a route that rewraps
	// they are those of envelopes.
	Rate int64
	// Window, WindowMessages and WindowBytes end a data key: the first limit
	// that is reached does; 15 minutes, 2^24, 64 GiB.
	Window                      time.Duration
	WindowMessages, WindowBytes uint64

	// DeadLetter is the URL of the end for rejected messages. Without it the
	// first rejected message stops its lane.
	DeadLetter string
	// DeadLetterValue says how much of a value a dead letter of Decrypt or
	// Rewrap has: "full" (the default), up to 1 MiB, "hash" or "none". Letters
	// of Encrypt have none.
	DeadLetterValue string
	// Checkpoint is a file that keeps how far a file has been read or written,
	// so that the next run goes on there.
	Checkpoint string
	// State is the URL of the place where a stream that is decrypted keeps the
	// memory of the replay check: nats://HOST/BUCKET or file:PATH. Without it
	// that is the bucket of leases.
	State string
	// Tombstones is "require" (the default) or "pass", which lets null values
	// without an envelope through.
	Tombstones string
	// Instance names this process among those that share a source, and is the
	// same when it is started again: transactions that it left open are then
	// aborted at once.
	Instance string
	// Audit is a file that every key operation is recorded in (docs/audit.md);
	// none by default.
	Audit string
	// Settings is the file that this configuration was read from, "" if it was
	// not. The route only takes care not to write over it.
	Settings string
	// Overwrite allows to replace an existing output file.
	Overwrite bool
	// Grace is how long writes and commits go on after the route was told to
	// end; 10 s.
	Grace time.Duration
	// Wait is how long opening waits for brokers and key services that are
	// away. nil stands for a minute if the source has an end, and for any time
	// if it has none.
	Wait *time.Duration
}

// Env is the surroundings of a route. The zero value stands for the process's
// own.
type Env struct {
	Log       *slog.Logger   // gets no payload, key or header value
	Stdin     io.Reader      // standard input, for an end that reads it
	Stdout    io.Writer      // standard output, likewise
	Endpoints endpoint.Table // the kinds of end there are; all that are built in
	// Pool is the memory for batches in flight that routes of this process
	// share; nil if the route has its own. Memory is what all routes may take.
	Pool   *pipeline.Pool
	Memory *memlimit.Bound
	// Follow returns the Tracer of a route; nil if nobody follows routes.
	Follow func(name, direction string) Tracer
}

// Encrypt opens a route that seals the messages that it reads. Everything that
// can be checked before the first message is checked: the configuration, both
// ends, and that every key wraps. The error is a *hint.Error where there is
// something to be done about it. The caller closes the route.
func Encrypt(ctx context.Context, c Config, env Env) (*Route, error) {
	return open(ctx, encrypt, c, env)
}

// Decrypt opens a route that opens the envelopes that it reads. See Encrypt.
func Decrypt(ctx context.Context, c Config, env Env) (*Route, error) {
	return open(ctx, decrypt, c, env)
}

// Verify opens a route that opens everything it reads and writes nothing. c.To
// must be empty. A source is read to its end as of now and left as if it had
// not been read.
func Verify(ctx context.Context, c Config, env Env) (*Route, error) {
	return open(ctx, verify, c, env)
}

// direction says which kind of work a route does. A plan that converts has
// another one, with its rules: see readFormats.
type direction int

const (
	encrypt direction = iota
	decrypt
	verify
	rewrap
	conversion
)

func (d direction) String() string {
	return [...]string{"encrypt", "decrypt", "verify", "rewrap", "convert"}[d]
}

// Route is an open route. Run is called once; Snapshot at any time and from any
// goroutine.
type Route struct {
	env     Env
	job     job
	closers closers
	about   About
	keep    *string // the context that readers of the output must name
}

// job is the work of a route.
type job interface {
	run(ctx context.Context) error
	snapshot() Snapshot
}

// Run carries messages until the source ends or ctx does, and returns after
// everything it started has ended. When ctx ends, messages in flight are
// written and committed within Config.Grace.
//
// The end of ctx is no error of a route that has no end of its own. A route
// that has an end, and did not reach it, returns an error that matches
// ErrInterrupted: a caller must not take half a file for a whole one. A lane
// that could not go on is an error too, when the others have ended.
func (r *Route) Run(ctx context.Context) error {
	if r.env.Pool == nil { // the process has one route
		defer memlimit.WatchCollector(r.env.Log)()
	}
	return r.env.explain(nameSource(r.job.run(ctx)))
}

// Snapshot tells how far the route is.
func (r *Route) Snapshot() Snapshot { return r.job.snapshot() }

// Close lets go of everything that the route holds. An output that did not
// become complete is removed. It must not be called while Run runs.
func (r *Route) Close() error { return r.closers.close() }
