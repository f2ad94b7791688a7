package envelope_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// refused checks that an envelope ends in a reason, through every door, and
// that not a byte comes out.
func refused(t *testing.T, o *envelope.Opener, e []byte, b envelope.Binding, reasons ...envelope.Reason) {
	t.Helper()
	dst := make([]byte, 0, len(e)+64)
	out, err := o.Open(t.Context(), dst, e, b)
	check := func(door string, n int, err error) {
		t.Helper()
		var refusal *envelope.Error
		if !errors.As(err, &refusal) {
			t.Fatalf("%s: %v", door, err)
		}
		if n != 0 {
			t.Fatalf("%s: %d bytes came out: %v", door, n, err)
		}
		for _, r := range reasons {
			if refusal.Reason == r {
				return
			}
		}
		if len(reasons) > 0 {
			t.Fatalf("%s: %v, want one of %v", door, err, reasons)
		}
	}
	check("Open", len(out), err)
	if !bytes.Equal(dst[:cap(dst)], make([]byte, cap(dst))) {
		t.Fatal("plaintext is left behind the slice")
	}
	read, err := io.ReadAll(o.NewReader(t.Context(), onlyReader{bytes.NewReader(e)}, b))
	check("Reader", len(read), err)
}

func TestEverySingleBit(t *testing.T) {
	profiles(t, func(t *testing.T, store kekcache.Store) {
		r := newRig(t, rigOptions{store: store})
		b := envelope.Binding{Key: []byte("k")}
		e, err := r.sealer(t, 0).NewWorker().Seal(t.Context(), nil, []byte("hello"), &b, &envelope.Position{Source: [5]byte{1}, Offset: 7})
		if err != nil {
			t.Fatal(err)
		}
		o := r.opener(t)
		if _, err := o.Open(t.Context(), nil, e, b); err != nil {
			t.Fatal(err)
		}
		for bit := range len(e) * 8 {
			e[bit/8] ^= 1 << (bit % 8)
			refused(t, o, e, b)
			e[bit/8] ^= 1 << (bit % 8)
		}
	})
}

func TestEveryLength(t *testing.T) {
	profiles(t, func(t *testing.T, store kekcache.Store) {
		r := newRig(t, rigOptions{store: store})
		e, err := r.sealer(t, 0).Seal(t.Context(), nil, []byte("hello"), envelope.Binding{})
		if err != nil {
			t.Fatal(err)
		}
		o := r.opener(t)
		refused(t, o, nil, envelope.Binding{}, envelope.ReasonNotEnvelope)
		for n := 1; n < len(e); n++ {
			refused(t, o, e[:n], envelope.Binding{}, envelope.ReasonTruncated)
		}
		for _, tail := range []byte{0x00, 0xd0, 0xff} {
			refused(t, o, append(append([]byte(nil), e...), tail), envelope.Binding{}, envelope.ReasonMalformed, envelope.ReasonTruncated)
		}
	})
}

func TestBinding(t *testing.T) {
	profiles(t, func(t *testing.T, store kekcache.Store) {
		r := newRig(t, rigOptions{store: store})
		full := func() envelope.Binding {
			return envelope.Binding{Subject: []byte("s"), Key: []byte("k"), Headers: []envelope.Header{{Name: "h", Value: []byte{1}}}}
		}
		b := full()
		e, err := r.sealer(t, 0).Seal(t.Context(), nil, []byte("hello"), b)
		if err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(b *envelope.Binding){
			"subject":     func(b *envelope.Binding) { b.Subject = []byte("t") },
			"no subject":  func(b *envelope.Binding) { b.Subject = nil },
			"key":         func(b *envelope.Binding) { b.Key = []byte("l") },
			"empty key":   func(b *envelope.Binding) { b.Key = []byte{} },
			"null key":    func(b *envelope.Binding) { b.Key = nil },
			"value":       func(b *envelope.Binding) { b.Headers[0].Value = []byte{2} },
			"null value":  func(b *envelope.Binding) { b.Headers[0].Value = nil },
			"empty value": func(b *envelope.Binding) { b.Headers[0].Value = []byte{} },
			"one more":    func(b *envelope.Binding) { b.Headers = append(b.Headers, envelope.Header{Name: "h"}) },
			"header name": func(b *envelope.Binding) { b.Headers[0].Name = "i" },
			"no header":   func(b *envelope.Binding) { b.Headers = nil },
			"kind":        func(b *envelope.Binding) { b.Kind = envelope.Tombstone },
		} {
			b := full()
			change(&b)
			t.Run(name, func(t *testing.T) { refused(t, r.opener(t), e, b, envelope.ReasonTampered) })
		}
		t.Run("context", func(t *testing.T) {
			o := openerWith(t, store, "elsewhere", r.kek)
			refused(t, o, e, b, envelope.ReasonTampered)
		})
	})
}

// segments takes a chunked envelope apart: what is before the segments, they
// themselves, and what is behind.
func segments(t *testing.T, e []byte) (head []byte, all [][]byte, tail []byte) {
	t.Helper()
	var parsed cms.Envelope
	if err := cms.Parse(e, &parsed); err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(e, parsed.Segments)
	head, tail = e[:at], e[at+len(parsed.Segments):]
	for s := parsed.Segments; len(s) > 0; {
		_, rest := s.Next()
		all = append(all, s[:len(s)-len(rest)])
		s = rest
	}
	return head, all, tail
}

func TestChunksAreInTheirPlaces(t *testing.T) {
	profiles(t, func(t *testing.T, store kekcache.Store) {
		r := newRig(t, rigOptions{store: store})
		s := r.sealer(t, 4096)
		seal := func() []byte {
			e, err := s.Seal(t.Context(), nil, payload(4*4096), envelope.Binding{})
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		head, all, tail := segments(t, seal())
		_, others, _ := segments(t, seal())
		for name, order := range map[string][][]byte{
			"a chunk dropped":         {all[0], all[2], all[3]},
			"the last dropped":        {all[0], all[1], all[2]},
			"the first dropped":       {all[1], all[2], all[3]},
			"two swapped":             {all[0], all[2], all[1], all[3]},
			"one twice":               {all[0], all[1], all[1], all[2], all[3]},
			"the last twice":          {all[0], all[1], all[2], all[3], all[3]},
			"one of another":          {all[0], others[1], all[2], all[3]},
			"the last of another":     {all[0], all[1], all[2], others[3]},
			"another's after the end": {all[0], all[1], all[2], all[3], others[3]},
			"all of another":          others,
		} {
			t.Run(name, func(t *testing.T) {
				e := append(append(append([]byte(nil), head...), bytes.Join(order, nil)...), tail...)
				var refusal *envelope.Error
				out, err := r.opener(t).Open(t.Context(), nil, e, envelope.Binding{})
				if !errors.As(err, &refusal) || refusal.Reason != envelope.ReasonTampered || len(out) != 0 {
					t.Errorf("Open: %d bytes, %v", len(out), err)
				}
				for door, in := range map[string]io.Reader{"pipe": onlyReader{bytes.NewReader(e)}, "file": bytes.NewReader(e)} {
					out, err := io.ReadAll(r.opener(t).NewReader(t.Context(), in, envelope.Binding{}))
					if !errors.As(err, &refusal) || refusal.Reason != envelope.ReasonTampered {
						t.Errorf("%s: %v", door, err)
					}
					if !bytes.HasPrefix(payload(4*4096), out) || len(out) == 4*4096 {
						t.Errorf("%s: %d bytes that are no proper beginning of the payload", door, len(out))
					}
				}
			})
		}
	})
}

// TestCutStream: a stream cut anywhere gives a verified beginning and then says
// that it is cut.
func TestCutStream(t *testing.T) {
	profiles(t, func(t *testing.T, store kekcache.Store) {
		r := newRig(t, rigOptions{store: store})
		var file bytes.Buffer
		w := r.sealer(t, 4096).NewWriter(t.Context(), &file, envelope.Binding{})
		if _, err := w.Write(payload(3*4096 + 5)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		e := file.Bytes()
		for n := 1; n < len(e); n++ {
			if n > 700 && n < len(e)-700 && n%97 != 0 {
				continue
			}
			for door, in := range map[string]io.Reader{"pipe": onlyReader{bytes.NewReader(e[:n])}, "file": bytes.NewReader(e[:n])} {
				out, err := io.ReadAll(r.opener(t).NewReader(t.Context(), in, envelope.Binding{}))
				var refusal *envelope.Error
				if errors.As(err, &refusal) && refusal.Reason == envelope.ReasonTruncated && bytes.HasPrefix(payload(3*4096+5), out) {
					continue
				}
				// Cut right behind its key record, what is left is a whole
				// envelope, but not one of a value.
				if errors.As(err, &refusal) && refusal.Reason == envelope.ReasonTampered && n < 200 && len(out) == 0 && store == nil {
					continue
				}
				t.Fatalf("%s: cut to %d of %d bytes: %d bytes, %v", door, n, len(e), len(out), err)
			}
		}
	})
}

// TestEverySingleBitOfAKeyRecord: in a raw file nothing can be changed, not
// even where the payload would still open.
func TestEverySingleBitOfAKeyRecord(t *testing.T) {
	r := newRig(t, rigOptions{})
	var file bytes.Buffer
	w := r.sealer(t, 4096).NewWriter(t.Context(), &file, envelope.Binding{})
	if _, err := w.Write(payload(4097)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	e := file.Bytes()
	for bit := range 300 * 8 { // the record, and the head of the envelope behind it
		e[bit/8] ^= 1 << (bit % 8)
		out, err := io.ReadAll(r.opener(t).NewReader(t.Context(), onlyReader{bytes.NewReader(e)}, envelope.Binding{}))
		var refusal *envelope.Error
		if !errors.As(err, &refusal) || len(out) != 0 {
			t.Fatalf("bit %d: %d bytes, %v", bit, len(out), err)
		}
		e[bit/8] ^= 1 << (bit % 8)
	}
}

func TestWriterAfterAnError(t *testing.T) {
	r := newRig(t, rigOptions{})
	broken := errors.New("disk full")
	w := r.sealer(t, 4096).NewWriter(t.Context(), brokenWriter{broken}, envelope.Binding{})
	_, err := w.Write(payload(3 * 4096))
	if !errors.Is(err, broken) || !errors.Is(w.Close(), broken) {
		t.Errorf("Write: %v, Close: %v", err, w.Close())
	}
	// A source that breaks off must not look like one that ended.
	w = r.sealer(t, 4096).NewWriter(t.Context(), io.Discard, envelope.Binding{})
	if _, err := w.ReadFrom(io.MultiReader(bytes.NewReader(payload(5000)), brokenReader{broken})); !errors.Is(err, broken) {
		t.Errorf("ReadFrom: %v", err)
	}
	if err := w.Close(); !errors.Is(err, broken) {
		t.Errorf("Close: %v", err)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

type brokenReader struct{ err error }

func (r brokenReader) Read([]byte) (int, error) { return 0, r.err }
