package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/progress"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// fromFlags are the flags of every command that reads a route.
type fromFlags struct {
	From     string   `required:"" placeholder:"URL" group:"Route" help:"What to read: kafka://HOST:PORT/TOPIC?group=NAME, nats://HOST:PORT/STREAM?consumer=NAME or file:PATH, file:- for standard input."`
	Key      []string `required:"" placeholder:"URL" group:"Keys" help:"A key: local:FILE, x25519:FILE, rsa:FILE or awskms:ARN. Several, with commas or repeated, are several recipients."`
	Context  *string  `placeholder:"NAME" group:"Binding" help:"Name that every envelope is bound to; default: the topic or stream that holds the ciphertext, empty for files."`
	Bind     []string `placeholder:"header:NAME" group:"Binding" help:"Header that every envelope is bound to; may be repeated."`
	Keystore string   `placeholder:"URL" group:"Keys" help:"Store of key records for --profile=ref: file:DIR."`
	resourceFlags
}

// resourceFlags say what a route may take.
type resourceFlags struct {
	Workers int           `placeholder:"N" group:"Resources" help:"Batches in flight; default: one per processor."`
	Budget  size          `placeholder:"SIZE" group:"Resources" help:"Memory of a worker; default: 8MiB."`
	Audit   string        `placeholder:"FILE" group:"Keys" help:"Record every key operation in FILE, in a chain that streamcrypt keys audit verify checks."`
	Ahead   size          `name:"read-ahead" placeholder:"SIZE" group:"Resources" help:"How much is read at a time; default: 3MiB, from NATS 1MiB."`
	Grace   time.Duration `placeholder:"TIME" group:"Resources" help:"How long writes may go on after a signal; default: 10s."`
}

func (f *fromFlags) keyURLs() []string { return f.Key }

func (f *fromFlags) config() route.Config {
	c := route.Config{
		From: f.From, Keys: f.Key, Bind: f.Bind, KeyStore: f.Keystore,
	}
	f.resourceFlags.apply(&c)
	if f.Context != nil {
		c.Context, c.ContextSet = *f.Context, true
	}
	return c
}

func (f *resourceFlags) apply(c *route.Config) {
	c.Workers, c.Budget, c.ReadAhead, c.Grace = f.Workers, int64(f.Budget), int64(f.Ahead), f.Grace
	c.Audit = f.Audit
}

// toFlags are the flags of every command that writes a route.
type toFlags struct {
	To string `required:"" placeholder:"URL" group:"Route" help:"What to write: kafka://HOST:PORT/TOPIC?create=true, nats://HOST:PORT/STREAM?subject=NAME&create=true or file:PATH, file:- for standard output."`
	sinkFlags
}

// sinkFlags say how a route writes.
type sinkFlags struct {
	DeadLetter string `placeholder:"URL" group:"Route" help:"Where to note rejected messages; without it the first one stops its lane."`
	Checkpoint string `placeholder:"FILE" group:"Route" help:"Keeps how far files were read and written, so that the next run goes on there."`
	Overwrite  bool   `group:"Route" help:"Replace an output file that exists."`
	Instance   string `placeholder:"NAME" group:"Route" help:"This process among the members of a Kafka group, the same after a restart; what it left half done is then taken back at once."`
}

func (f *toFlags) apply(c *route.Config) {
	c.To = f.To
	f.sinkFlags.apply(c)
}

func (f *sinkFlags) apply(c *route.Config) {
	c.DeadLetter, c.Checkpoint, c.Overwrite, c.Instance = f.DeadLetter, f.Checkpoint, f.Overwrite, f.Instance
}

// openFlags are the flags of every command that opens envelopes.
type openFlags struct {
	Tombstones string `placeholder:"WHAT" default:"require" enum:"require,pass" group:"Binding" help:"What null values need: require an envelope, or pass all."`
}

// opener is one of route.Encrypt, Decrypt and Verify.
type opener func(context.Context, route.Config, route.Env) (*route.Route, error)

// runRoute opens a route, runs it to its end and says what became of it.
func (p *program) runRoute(open opener, c route.Config) (err error) {
	release := p.holdHangups()
	r, err := open(p.ctx, c, route.Env{Log: p.log, Stdin: p.in, Stdout: p.out})
	came := release()
	if err != nil {
		if p.ctx.Err() != nil {
			return errors.Join(route.ErrInterrupted, err)
		}
		return &startError{err}
	}
	defer func() { err = errors.Join(err, r.Close()) }()

	defer p.reloadKeys(r, came)()
	reporter := p.watch(r, p.mode)
	started := time.Now()
	err = r.Run(p.ctx)
	reporter.Stop()
	p.summarize(r.Snapshot(), time.Since(started), err == nil)
	if name, needed := r.ReadersContext(); needed {
		p.log.Warn("readers must use --context "+quoted(name), "context", name)
	}
	return err
}

// quoted is a word as it can be typed.
func quoted(word string) string {
	if word == "" || strings.ContainsFunc(word, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-/:@", r)
	}) {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

// watch shows how far a route is, until the Reporter is stopped.
func (p *program) watch(r *route.Route, mode progress.Mode) *progress.Reporter {
	return progress.Start(mode, p.screen, p.log, func() progress.State {
		s := r.Snapshot()
		return progress.State{Done: s.Done, Total: s.Total, Bytes: s.Unit == route.Bytes}
	})
}

// summarize logs what a route did.
func (p *program) summarize(s route.Snapshot, took time.Duration, complete bool) {
	attrs := []slog.Attr{slog.Bool("complete", complete)}
	if s.Messages > 0 {
		attrs = append(attrs, slog.Int64("messages", s.Messages))
	}
	attrs = append(attrs, slog.Int64("bytes", s.Bytes), slog.Int64("bytes_out", s.BytesOut),
		slog.String("took", took.Round(time.Millisecond).String()))
	level := slog.LevelInfo
	for _, count := range []struct {
		name    string
		n       int64
		warning bool
	}{
		{"rewrapped", s.Rewrapped, false},
		{"already", s.Already, false},
		{"data_keys", s.DataKeys, false},
		{"duplicates", s.Skipped, false},
		{"rejected", s.Rejected, true},
		{"parked", s.Parked, true},
	} {
		if count.n > 0 {
			attrs = append(attrs, slog.Int64(count.name, count.n))
			if count.warning {
				level = slog.LevelWarn
			}
		}
	}
	if len(s.ParkedPlaces) > 0 {
		attrs = append(attrs, slog.Any("parked_places", s.ParkedPlaces))
	}
	p.log.LogAttrs(p.ctx, level, "done", attrs...)
}
