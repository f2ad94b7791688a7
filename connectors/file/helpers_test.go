package file

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/connectors/format/members"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

var quiet = slog.New(slog.DiscardHandler)

func testArchive() format.Archive {
	return format.Archive{Front: formattest.Front, SealEnd: formattest.SealEnd, OpenEnd: formattest.OpenEnd}
}

// extensions are those of files that are compressed, or not.
var extensions = []string{"", ".gz", ".zst"}

// sourceOptions takes the compression from the path, as sinkOptions does.
func sourceOptions(path string, f format.Format) SourceOptions {
	kind, _ := members.OfPath(path)
	return SourceOptions{Path: path, Format: f, Compression: kind, Archive: testArchive()}
}

func sinkOptions(path string, f format.Format) SinkOptions {
	kind, _ := members.OfPath(path)
	return SinkOptions{Path: path, Format: f, Compression: kind, Archive: testArchive()}
}

func newSource(t testing.TB, o SourceOptions) *Source {
	t.Helper()
	s, err := NewSource(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newSink(t testing.TB, o SinkOptions) *Sink {
	t.Helper()
	s, err := NewSink(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read returns copies of all messages of a file, and why there were no more;
// nil at its end.
func read(t testing.TB, o SourceOptions) ([]pipeline.Message, error) {
	t.Helper()
	var got []pipeline.Message
	err := newSource(t, o).Serve(t.Context(), func(ctx context.Context, l pipeline.Lane) error {
		for {
			b, err := l.Read(ctx, 4096)
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			for i := range b.Messages {
				got = append(got, clone(&b.Messages[i]))
			}
			b.Release()
		}
	})
	return got, err
}

func clone(m *pipeline.Message) pipeline.Message {
	c := *m
	c.Key, c.Value, c.Subject = bytes.Clone(m.Key), bytes.Clone(m.Value), bytes.Clone(m.Subject)
	c.Headers = slices.Clone(m.Headers)
	for i := range c.Headers {
		c.Headers[i].Value = bytes.Clone(c.Headers[i].Value)
	}
	return c
}

// write writes messages through a sink that sees no lane of this package.
func write(t testing.TB, o SinkOptions, msgs ...pipeline.Message) error {
	t.Helper()
	w, err := newSink(t, o).Open(t.Context(), nil)
	if err != nil {
		return err
	}
	return errors.Join(w.Write(t.Context(), msgs, &pipeline.Progress{Messages: len(msgs)}), w.Close(t.Context()))
}

// copyFile runs messages from one file to another.
func copyFile(t testing.TB, from SourceOptions, to SinkOptions) error {
	t.Helper()
	return pipeline.Run(t.Context(), pipeline.Options{
		Source: newSource(t, from), Sink: newSink(t, to), NewTransform: pipelinetest.Identity,
		Workers: 2, ReadAhead: 2048, Log: quiet,
	})
}

func load(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func store(t testing.TB, path string, b []byte) string {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func temp(t testing.TB, name string) string { return filepath.Join(t.TempDir(), name) }

// listing names the files beside path.
func listing(t testing.TB, path string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var l []string
	for _, e := range entries {
		l = append(l, e.Name())
	}
	return l
}
