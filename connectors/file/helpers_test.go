package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// carries is what both formats hold.
var carries = pipelinetest.Carries{
	Key: true, NullValue: true, Headers: true, NullHeader: true, HeaderOrder: true, Binary: true, Time: time.Millisecond,
}

var quiet = slog.New(slog.DiscardHandler)

var errSeal = errors.New("seal broken")

// testArchive takes the last 16 bytes of a value, or of the last header of a tombstone, for the tag,
// and seals with a hash that everyone can make.
func testArchive() Archive {
	sum := func(b []byte) []byte { s := sha256.Sum256(append([]byte("seal"), b...)); return s[:8] }
	return Archive{
		Tag: func(dst []byte, m *pipeline.Message) ([]byte, error) {
			v := m.Value
			if v == nil && len(m.Headers) > 0 {
				v = m.Headers[len(m.Headers)-1].Value
			}
			return append(dst, v[max(0, len(v)-16):]...), nil
		},
		SealEnd: func(_ context.Context, dst []byte, count uint64, digest [32]byte) ([]byte, error) {
			b := append(binary.BigEndian.AppendUint64(nil, count), digest[:]...)
			return append(append(dst, b...), sum(b)...), nil
		},
		OpenEnd: func(_ context.Context, b []byte) (uint64, [32]byte, error) {
			if len(b) != 48 || !bytes.Equal(sum(b[:40]), b[40:]) {
				return 0, [32]byte{}, errSeal
			}
			return binary.BigEndian.Uint64(b), [32]byte(b[8:40]), nil
		},
	}
}

func sourceOptions(path string, f Format) SourceOptions {
	return SourceOptions{Path: path, Format: f, Archive: testArchive()}
}

func sinkOptions(path string, f Format) SinkOptions {
	return SinkOptions{Path: path, Format: f, Archive: testArchive()}
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

// read returns copies of all messages of a file, and why there were no more; nil at its end.
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

func equal(t testing.TB, want, got []pipeline.Message) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("got %d messages, want %d", len(got), len(want))
	}
	for i := range want {
		if d := pipelinetest.Diff(carries, &want[i], &got[i]); d != "" {
			t.Fatalf("message %d: %s", i, d)
		}
		if !bytes.Equal(want[i].Subject, got[i].Subject) || (want[i].Subject == nil) != (got[i].Subject == nil) {
			t.Fatalf("message %d: subject %q, want %q", i, got[i].Subject, want[i].Subject)
		}
	}
}

// messages are such that no two have the same tag in testArchive.
func messages(n int) []pipeline.Message {
	msgs := pipelinetest.Messages(carries, 0, n, 2000)
	for i := range msgs {
		if i%3 == 1 {
			msgs[i].Subject = []byte{'s', byte(i)}
		}
	}
	return msgs
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
