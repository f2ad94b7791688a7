//go:build unix

package route

import (
	"bytes"
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
)

// fifo makes a named pipe and returns a function that opens its other end for
// writing.
func fifo(t *testing.T, name string) func() *os.File {
	t.Helper()
	must(t, syscall.Mkfifo(name, 0o600))
	return func() *os.File {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		must(t, err)
		return f
	}
}

func TestNamedPipes(t *testing.T) {
	testDir(t)
	for _, tc := range []struct {
		name        string
		c           Config
		input       string
		interrupted bool
	}{
		{"records", Config{From: "file:records?format=ndjson", To: "file:-?format=ndjson"}, kinds, false},
		{"raw", Config{From: "file:raw", To: "file:-"}, "payload", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			write := fifo(t, tc.name)
			tc.c.Keys = []string{"local:k.jwk"}
			start := func(out *bytes.Buffer) (r *Route, stop func(), ended chan error) {
				r, err := Encrypt(t.Context(), tc.c, Env{Log: quiet, Stdout: out})
				must(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				ended = make(chan error, 1)
				go func() { ended <- r.Run(ctx) }()
				return r, cancel, ended
			}

			var sealed bytes.Buffer
			r, stop, ended := start(&sealed)
			f := write()
			_, err := f.WriteString(tc.input)
			must(t, err)
			must(t, f.Close())
			must(t, <-ended)
			stop()
			if s := r.Snapshot(); s.Total != 0 || s.Done != int64(len(tc.input)) {
				t.Errorf("%+v", s)
			}
			must(t, r.Close())
			if sealed.Len() == 0 || bytes.Contains(sealed.Bytes(), []byte("payload")) {
				t.Errorf("sealed as %q", sealed.Bytes())
			}

			// The writer keeps the pipe open and says nothing.
			r, stop, ended = start(&bytes.Buffer{})
			f = write()
			stop()
			if err := <-ended; errors.Is(err, ErrInterrupted) != tc.interrupted || err != nil && !tc.interrupted {
				t.Errorf("got %v", err)
			}
			must(t, r.Close())
			must(t, f.Close())
		})
	}
}
