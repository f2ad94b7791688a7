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

// story is the part of a demonstration that knows no server.
type story struct {
	Options
	dir string
	key string // URL
}

// beginStory makes the folder of a demonstration.
func beginStory(o Options) (*story, error) {
	dir, err := os.MkdirTemp("", "streamcrypt-demo-")
	if err != nil {
		return nil, err
	}
	return &story{Options: o, dir: dir}, nil
}

// endStory removes the folder. If everything else went well, its error is that
// of the demonstration.
func (s *story) endStory(err *error) {
	if gone := os.RemoveAll(s.dir); *err == nil {
		*err = gone
	}
}

func tellSteps(ctx context.Context, steps ...func(context.Context) error) error {
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// beginChapter begins a chapter of the story. An error of writing shows with
// the last line.
func (s *story) beginChapter(format string, args ...any) {
	_, _ = fmt.Fprintf(s.Out, "\n"+format+"\n", args...)
}

// writeLine writes a line of the story, indented below a title.
func (s *story) writeLine(format string, args ...any) {
	_, _ = fmt.Fprintf(s.Out, "    "+format+"\n", args...)
}

func (s *story) makeKey(context.Context) error {
	s.beginChapter("$ streamcrypt keygen local --out key.jwk")
	key, err := local.GenerateAES()
	if err != nil {
		return err
	}
	file := filepath.Join(s.dir, "key.jwk")
	s.key = "local:" + file
	return os.WriteFile(file, key, 0o600)
}

type opener func(context.Context, route.Config, route.Env) (*route.Route, error)

// runCommand runs a route as the command of that name does.
func (s *story) runCommand(ctx context.Context, command string, open opener, c route.Config) error {
	s.beginChapter("$ streamcrypt %s --key local:key.jwk --bind header:%s \\", command, boundHeader)
	s.writeLine("--from '%s' \\", c.From)
	s.writeLine("--to '%s'", c.To)
	start := time.Now()
	counts, err := s.runRoute(ctx, open, c)
	if err != nil {
		return err
	}
	took := time.Since(start)
	s.writeLine("%d messages, %d bytes in, %d bytes out, %v: %.0f messages a second",
		counts.Messages, counts.Bytes, counts.BytesOut, took.Round(time.Millisecond),
		float64(counts.Messages)/took.Seconds())
	return nil
}

// runRoute opens a route and runs it to its end.
func (s *story) runRoute(ctx context.Context, open opener, c route.Config) (counts route.Snapshot, err error) {
	r, err := open(ctx, c, route.Env{Log: s.Log, Stdin: bytes.NewReader(nil), Stdout: io.Discard})
	if err != nil {
		return counts, err
	}
	defer func() {
		if closing := r.Close(); err == nil {
			err = closing
		}
	}()
	stop := s.Watch(r)
	err = r.Run(ctx)
	stop()
	return r.Snapshot(), err
}

// showEnvelope shows the visible part of an envelope.
func (s *story) showEnvelope(ctx context.Context, envelope []byte) error {
	s.beginChapter("$ streamcrypt inspect")
	return describe.Input(ctx, bytes.NewReader(envelope), func(r *describe.Record) error {
		if r.Err != nil {
			return r.Err
		}
		return r.WriteText(s.Out)
	})
}

// verifyForged verifies from the place of a forged message on, and shows the
// refusal. A message that is accepted is an error.
func (s *story) verifyForged(ctx context.Context, c route.Config, place string) error {
	quiet := *s
	quiet.Log = slog.New(slog.DiscardHandler) // the error says it all
	_, err := quiet.runRoute(ctx, route.Verify, c)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		return fmt.Errorf("%s: a message that was changed is accepted", place)
	}
	s.Report(indented{s.Out}, err)
	return nil
}

// indented writes whole lines, indented.
type indented struct{ w io.Writer }

func (i indented) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		if _, err := fmt.Fprintf(i.w, "    %s", line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
