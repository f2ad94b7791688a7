package envelope_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/coding"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/keys"
)

// TestLimitsAreOfEachMessage: MaxInflated is for payloads that are compressed,
// whichever message a worker opens first.
func TestLimitsAreOfEachMessage(t *testing.T) {
	kek, payload := newKEK(t), make([]byte, 200000)
	seal := func(o coding.Options) []byte {
		s := must(envelope.NewSealer([]keys.Wrapper{kek}, envelope.SealerOptions{Coding: o}))
		defer s.Close()
		return must(s.Seal(t.Context(), nil, payload, envelope.Binding{}))
	}
	padded, compressed := seal(coding.Options{Padding: coding.PadPADME()}), seal(coding.Options{Level: 1})
	open := func(w *envelope.OpenWorker, e []byte, want bool) {
		t.Helper()
		out, _, err := w.Open(t.Context(), []byte("before"), e, nil)
		var refused *envelope.Error
		switch {
		case want && (err != nil || !bytes.Equal(out[6:], payload)):
			t.Errorf("%d bytes, %v", len(out), err)
		case !want && (!errors.As(err, &refused) || refused.Reason != envelope.ReasonTooLarge):
			t.Errorf("%d bytes, %v, want too-large", len(out), err)
		}
	}
	limited := must(envelope.NewOpener([]keys.Unwrapper{kek}, envelope.OpenerOptions{MaxInflated: 100000}))
	w := limited.NewWorker()
	open(w, padded, true)
	open(w, compressed, false)
	w = limited.NewWorker()
	open(w, compressed, false)
	open(w, padded, true)
	strict := must(envelope.NewOpener([]keys.Unwrapper{kek}, envelope.OpenerOptions{MaxPayload: int64(len(payload)) - 1}))
	w = strict.NewWorker()
	open(w, padded, false)
	open(w, compressed, false)
}

// TestCodingsInTurns: with padding, payloads that compress and others that do
// not are in envelopes of one form, each with a coding of its own.
func TestCodingsInTurns(t *testing.T) {
	kek := newKEK(t)
	sealer := must(envelope.NewSealer([]keys.Wrapper{kek}, envelope.SealerOptions{
		Coding: coding.Options{Level: 1, Padding: coding.PadPADME()},
	}))
	defer sealer.Close()
	noise := make([]byte, 1000)
	rand.Read(noise)
	seal := sealer.NewWorker()
	open := must(envelope.NewOpener([]keys.Unwrapper{kek}, envelope.OpenerOptions{})).NewWorker()
	for i, payload := range [][]byte{make([]byte, 1000), noise, make([]byte, 1000)} {
		e := must(seal.Seal(t.Context(), nil, payload, nil, nil))
		if isShort := len(e) < 500; isShort == (i == 1) {
			t.Errorf("payload %d: an envelope of %d bytes", i, len(e))
		}
		out, _, err := open.Open(t.Context(), nil, e, nil)
		if err != nil || !bytes.Equal(out, payload) {
			t.Errorf("payload %d: %d bytes, %v", i, len(out), err)
		}
	}
}
