package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/kekcache"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t testing.TB, path string) *Log {
	t.Helper()
	l, err := Open(path, Who{})
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// opened is an event like most.
func opened(n byte) kekcache.Event {
	return kekcache.Event{Op: kekcache.OpWindowOpened, KEKs: []string{"local:3f9a0c54d2e87b16", "x25519:0011223344556677"}, KID: bytes.Repeat([]byte{n}, 16)}
}

// written makes a log of n lines and returns its content.
func written(t testing.TB, n int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	l := mustOpen(t, path)
	for i := range n {
		must(t, l.Record(opened(byte(i))))
	}
	return content(t, path)
}

func content(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return b
}

// verify reads files as one chain.
func verify(want *Hash, files ...[]byte) (Summary, error) {
	v := Verifier{Want: want}
	for i, b := range files {
		if err := v.AddFile(string(rune('a'+i)), bytes.NewReader(b)); err != nil {
			return v.Summary(), err
		}
	}
	return v.Summary(), v.CheckEnd()
}

// whole checks a file, and that it has so many lines.
func whole(t testing.TB, path string, lines int64) Summary {
	t.Helper()
	s, err := verify(nil, content(t, path))
	must(t, err)
	if s.Lines != lines {
		t.Fatalf("%d lines, want %d:\n%s", s.Lines, lines, content(t, path))
	}
	return s
}

func splitLines(b []byte) []string {
	return strings.SplitAfter(strings.TrimSuffix(string(b), "\n"), "\n")
}
