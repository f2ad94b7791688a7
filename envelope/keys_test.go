package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// TestOpenerForgetsItsLastKey when the KEKs are reloaded, though it would have
// used it for long.
func TestOpenerForgetsItsLastKey(t *testing.T) {
	r := newRig(t, rigOptions{})
	sealed, err := r.sealer(t, 0).Seal(t.Context(), nil, []byte("text"), envelope.Binding{})
	if err != nil {
		t.Fatal(err)
	}
	whole := r.opener(t)
	o := whole.NewWorker()
	open := func() error {
		_, _, err := o.Open(t.Context(), nil, sealed, nil)
		return err
	}
	for range 2 {
		if err := open(); err != nil {
			t.Fatal(err)
		}
	}
	if err := whole.Reload([]keys.Unwrapper{newKEK(t)}); err != nil {
		t.Fatal(err)
	}
	var refused *envelope.Error
	if err := open(); !errors.As(err, &refused) || refused.Reason != envelope.ReasonUnknownKey {
		t.Errorf("after its KEK was removed: %v", err)
	}
}

// opened counts the windows that are open.
type opened struct {
	mu sync.Mutex
	n  int
}

func (o *opened) Record(e kekcache.Event) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e.Op {
	case kekcache.OpWindowOpened:
		o.n++
	case kekcache.OpWindowClosed:
		o.n--
	default:
	}
	return nil
}

// TestWriterEndsItsKey, however it ends.
func TestWriterEndsItsKey(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 100_000)
	broken := errors.New("broken")
	for name, use := range map[string]func(w *envelope.Writer) error{
		"closed":         func(w *envelope.Writer) error { _, err := w.Write(long); return errors.Join(err, w.Close()) },
		"source breaks":  func(w *envelope.Writer) error { _, err := w.ReadFrom(breaking(long, broken)); return err },
		"closed anyway":  func(w *envelope.Writer) error { _, _ = w.ReadFrom(breaking(long, broken)); return w.Close() },
		"sink is broken": func(w *envelope.Writer) error { _, err := w.Write(bytes.Repeat(long, 100)); return err },
	} {
		audit := &opened{}
		s, err := envelope.NewSealer([]keys.Wrapper{newKEK(t)}, envelope.SealerOptions{ChunkSize: 4096, Audit: audit})
		if err != nil {
			t.Fatal(err)
		}
		out := io.Discard
		if name == "sink is broken" {
			out = &brokenAfter{left: 100_000, err: broken}
		}
		if err := use(s.NewWriter(t.Context(), out, envelope.Binding{})); errors.Is(err, broken) != (name != "closed") {
			t.Errorf("%s: %v", name, err)
		}
		if audit.n != 0 {
			t.Errorf("%s: %d keys are still in use", name, audit.n)
		}
	}
}

// bulky is a KEK of which three do not fit an envelope.
type bulky struct{}

func (bulky) Name() string { return "bulky" }

func (bulky) Fits(w *keys.Wrapped) bool { return string(w.KID) == "bulky" }

func (bulky) Wrap(context.Context, keys.Context, []byte) (keys.Wrapped, error) {
	return keys.Wrapped{Alg: keys.AlgAWSKMS, KID: []byte("bulky"), Ciphertext: make([]byte, 6000)}, nil
}

// TestWriterThatCannotBegin ends its key too.
func TestWriterThatCannotBegin(t *testing.T) {
	audit := &opened{}
	s, err := envelope.NewSealer([]keys.Wrapper{bulky{}, bulky{}, bulky{}}, envelope.SealerOptions{ChunkSize: 4096, Audit: audit})
	if err != nil {
		t.Fatal(err)
	}
	w := s.NewWriter(t.Context(), io.Discard, envelope.Binding{})
	if _, err := w.Write(make([]byte, 100_000)); err == nil {
		t.Error("it began")
	}
	if err := w.Close(); err == nil || audit.n != 0 {
		t.Errorf("%d keys are still in use, %v", audit.n, err)
	}
}

func breaking(b []byte, err error) io.Reader {
	return io.MultiReader(bytes.NewReader(b), failingReader{err})
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

type brokenAfter struct {
	left int
	err  error
}

func (w *brokenAfter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, w.err
	}
	return len(p), nil
}
