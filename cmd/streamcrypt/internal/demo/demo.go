// Package demo shows streamcrypt at work: a NATS server inside the process,
// made-up payments, one route that encrypts them and one that decrypts them,
// and how an envelope is refused that somebody moved or changed.
//
// It uses the routes that the commands use, and is the only package of the
// program that contains a server. Everything that it makes is in a temporary
// folder and on the loopback interface, and gone when it returns.
package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/describe"
	"github.com/streamcrypt/streamcrypt/internal/route"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// Options are everything that a demonstration needs of the program. All fields
// are required.
type Options struct {
	Messages int                                // how many payments
	Out      io.Writer                          // gets the story
	Log      *slog.Logger                       // gets the log of the routes
	Watch    func(r *route.Route) (stop func()) // shows progress while a route runs
	Report   func(w io.Writer, err error)       // writes an error as a command does
}

// The streams.
const (
	plain   = "PAYMENTS" // as the producer writes it
	sealed  = "SEALED"
	inClear = "CLEAR" // decrypted again
)

// boundHeader is a header that every envelope is bound to.
const boundHeader = "Tenant"

// demo is one demonstration.
type demo struct {
	Options
	*broker
	dir string
	key string // URL
}

// Run demonstrates. It returns an error if a step did not go well, or if
// messages differ.
func Run(ctx context.Context, o Options) (err error) {
	dir, err := os.MkdirTemp("", "streamcrypt-demo-")
	if err != nil {
		return err
	}
	defer func() {
		if gone := os.RemoveAll(dir); err == nil {
			err = gone
		}
	}()
	b, err := startBroker(dir)
	if err != nil {
		return err
	}
	defer b.stopServer()

	d := &demo{Options: o, broker: b, dir: dir}
	for _, step := range []func(context.Context) error{d.makeKey, d.publishPayments, d.encryptStream, d.inspectFirst,
		d.tryAttacks, d.decryptStream, d.compareMessages} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// beginChapter begins a chapter of the story. An error of writing shows with
// the last line.
func (d *demo) beginChapter(format string, args ...any) {
	_, _ = fmt.Fprintf(d.Out, "\n"+format+"\n", args...)
}

// writeLine writes a line of the story, indented below a title.
func (d *demo) writeLine(format string, args ...any) {
	_, _ = fmt.Fprintf(d.Out, "    "+format+"\n", args...)
}

func (d *demo) makeKey(context.Context) error {
	d.beginChapter("A NATS server with JetStream runs inside this process, at %s.", d.url)
	d.beginChapter("$ streamcrypt keygen local --out key.jwk")
	key, err := local.GenerateAES()
	if err != nil {
		return err
	}
	file := filepath.Join(d.dir, "key.jwk")
	d.key = "local:" + file
	return os.WriteFile(file, key, 0o600)
}

func (d *demo) publishPayments(ctx context.Context) error {
	d.beginChapter("A producer publishes %d made-up payments to the stream %s. The first one:", d.Messages, plain)
	start := time.Now()
	if err := d.makeStream(ctx, plain, "payments.>"); err != nil {
		return err
	}
	if err := d.sendMessages(ctx, makePayments(d.Messages)); err != nil {
		return err
	}
	first, err := d.getMessage(ctx, plain, 1)
	if err != nil {
		return err
	}
	d.writeLine("subject  %s", first.Subject)
	for _, name := range []string{"Payment-Id", boundHeader, "Streamcrypt-Key"} {
		d.writeLine("header   %s: %s", name, first.Header.Get(name))
	}
	d.writeLine("value    %s", first.Data)
	d.writeLine("(%v)", time.Since(start).Round(time.Millisecond))
	return nil
}

func (d *demo) encryptStream(ctx context.Context) error {
	c := route.Config{
		From: d.url + "/" + plain + "?consumer=encrypt&until=latest",
		To:   d.url + "/" + sealed + "?subject=sealed.>&create=true",
		Keys: []string{d.key}, Bind: []string{"header:" + boundHeader},
	}
	return d.runCommand(ctx, "encrypt", route.Encrypt, c)
}

func (d *demo) decryptStream(ctx context.Context) error {
	c := route.Config{
		From: d.url + "/" + sealed + "?consumer=decrypt&until=latest",
		To:   d.url + "/" + inClear + "?subject=clear.>&strip=sealed&create=true",
		Keys: []string{d.key}, Bind: []string{"header:" + boundHeader},
	}
	return d.runCommand(ctx, "decrypt", route.Decrypt, c)
}

type opener func(context.Context, route.Config, route.Env) (*route.Route, error)

// runCommand runs a route as the command of that name does.
func (d *demo) runCommand(ctx context.Context, command string, open opener, c route.Config) error {
	d.beginChapter("$ streamcrypt %s --key local:key.jwk --bind header:%s \\", command, boundHeader)
	d.writeLine("--from '%s' \\", c.From)
	d.writeLine("--to '%s'", c.To)
	start := time.Now()
	s, err := d.runRoute(ctx, open, c)
	if err != nil {
		return err
	}
	took := time.Since(start)
	d.writeLine("%d messages, %d bytes in, %d bytes out, %v: %.0f messages a second",
		s.Messages, s.Bytes, s.BytesOut, took.Round(time.Millisecond), float64(s.Messages)/took.Seconds())
	return nil
}

// runRoute opens a route and runs it to its end.
func (d *demo) runRoute(ctx context.Context, open opener, c route.Config) (s route.Snapshot, err error) {
	r, err := open(ctx, c, route.Env{Log: d.Log, Stdin: bytes.NewReader(nil), Stdout: io.Discard})
	if err != nil {
		return s, err
	}
	defer func() {
		if closing := r.Close(); err == nil {
			err = closing
		}
	}()
	stop := d.Watch(r)
	err = r.Run(ctx)
	stop()
	return r.Snapshot(), err
}

// inspectFirst shows the visible part of an envelope.
func (d *demo) inspectFirst(ctx context.Context) error {
	m, err := d.getMessage(ctx, sealed, 1)
	if err != nil {
		return err
	}
	d.beginChapter("Without a key, this can be seen of the first message in %s (subject %s):", sealed, m.Subject)
	d.beginChapter("$ streamcrypt inspect")
	return describe.Input(ctx, bytes.NewReader(m.Data), func(r *describe.Record) error {
		if r.Err != nil {
			return r.Err
		}
		return r.WriteText(d.Out)
	})
}

// getMessage returns a message of a stream as it is stored.
func (d *demo) getMessage(ctx context.Context, stream string, sequence uint64) (*jetstream.RawStreamMsg, error) {
	s, err := d.js.Stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	return s.GetMsg(ctx, sequence)
}
