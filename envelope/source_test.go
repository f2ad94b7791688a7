package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/keys"
)

// TestSourceThatBreaksOff: only a bare io.EOF is an end. A cut HTTP body or
// gzip stream says io.ErrUnexpectedEOF, and must not be sealed as whole.
func TestSourceThatBreaksOff(t *testing.T) {
	for _, broken := range []error{io.ErrUnexpectedEOF, fmt.Errorf("connection reset: %w", io.EOF)} {
		for _, n := range []int{0, 100, 4096, 5000} {
			w := newRig(t, rigOptions{}).sealer(t, 4096).NewWriter(t.Context(), io.Discard, envelope.Binding{})
			_, err := w.ReadFrom(io.MultiReader(bytes.NewReader(payload(n)), brokenReader{broken}))
			if !errors.Is(err, broken) || !errors.Is(w.Close(), broken) {
				t.Errorf("%v after %d bytes: ReadFrom %v, Close %v", broken, n, err, w.Close())
			}
		}
	}
}

// shrinking is a file that somebody cuts while it is read.
type shrinking struct {
	*bytes.Reader
	size int64
}

func (s *shrinking) ReadAt(p []byte, at int64) (int, error) {
	if at >= s.size {
		return 0, io.EOF
	}
	n, err := s.Reader.ReadAt(p[:min(int64(len(p)), s.size-at)], at)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func TestFileThatShrinks(t *testing.T) {
	r := newRig(t, rigOptions{})
	e, err := r.sealer(t, 4096).Seal(t.Context(), nil, payload(40_000), envelope.Binding{})
	if err != nil {
		t.Fatal(err)
	}
	file := &shrinking{bytes.NewReader(e), int64(len(e)) / 2}
	out, err := io.ReadAll(r.opener(t).NewReader(t.Context(), file, envelope.Binding{}))
	var refusal *envelope.Error
	if !errors.As(err, &refusal) || refusal.Reason != envelope.ReasonTruncated {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}

// deadKEK fits everything and fails with an error that wraps io.EOF, as one
// whose service hung up.
type deadKEK struct{}

func (deadKEK) Name() string            { return "dead" }
func (deadKEK) Fits(*keys.Wrapped) bool { return true }
func (deadKEK) Unwrap(context.Context, keys.Context, []byte, *keys.Wrapped) ([]byte, error) {
	return nil, &keys.Error{Class: keys.Gone, Key: "dead", Op: "unwrap", Err: fmt.Errorf("agent: %w", io.EOF)}
}

func TestKeyServiceThatHangsUp(t *testing.T) {
	r := newRig(t, rigOptions{})
	var file bytes.Buffer
	w := r.sealer(t, 4096).NewWriter(t.Context(), &file, envelope.Binding{})
	if _, err := w.Write(payload(10_000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	o := openerWith(t, nil, route, deadKEK{})
	if n, err := o.NewReader(t.Context(), &file, envelope.Binding{}).WriteTo(io.Discard); err == nil {
		t.Errorf("%d bytes and no error", n)
	}
}

// TestJunkBeforeRecipients: between the final segment and the recipients there
// is nothing, also for a reader that begins at the end.
func TestJunkBeforeRecipients(t *testing.T) {
	r := newRig(t, rigOptions{})
	e, err := r.sealer(t, 4096).Seal(t.Context(), nil, payload(2*4096+10), envelope.Binding{})
	if err != nil {
		t.Fatal(err)
	}
	head, all, tail := segments(t, e)
	junk := bytes.Join([][]byte{head, bytes.Join(all, nil), {0xff}}, nil)
	for (len(junk)-len(head))%len(all[0]) != 0 {
		junk = append(junk, 'J')
	}
	junk = append(append(junk, bytes.Repeat(all[0], 12)...), tail...)
	for door, in := range map[string]io.Reader{"pipe": onlyReader{bytes.NewReader(junk)}, "file": bytes.NewReader(junk)} {
		_, err := io.ReadAll(r.opener(t).NewReader(t.Context(), in, envelope.Binding{}))
		var refusal *envelope.Error
		if !errors.As(err, &refusal) || refusal.Reason != envelope.ReasonMalformed {
			t.Errorf("%s: %v", door, err)
		}
	}
}
