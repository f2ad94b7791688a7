package envelope_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/streamcrypt/streamcrypt/docs/vectors"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/keys"
)

// streamed are the vectors of which a Reader meets a later fault first, and
// that fault's word.
var streamed = map[string]string{
	"chunked-segment-claims-2-to-64":  "malformed",   // the segment is longer than a chunk; that the input ends comes later
	"segments-one-before-unknown-key": "unknown-key", // the key is needed before the segments have been counted
}

// TestVectors runs every vector through Open and through a Reader, from a pipe
// and from a file.
func TestVectors(t *testing.T) {
	all, err := vectors.All()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 60 {
		t.Fatalf("%d vectors", len(all))
	}
	unwrappers := map[string]keys.Unwrapper{}
	for i := range all {
		v := &all[i]
		t.Run(v.Name, func(t *testing.T) {
			b := vectorBinding(v)
			open := func() *envelope.Opener { return vectorOpener(t, v, unwrappers, string(v.Context)) }
			prefix := []byte("prefix")
			out, err := open().Open(t.Context(), prefix, v.Envelope, b)
			if !bytes.HasPrefix(out, prefix) || err != nil && len(out) != len(prefix) {
				t.Errorf("Open returned %d bytes, %v", len(out), err)
			}
			checkVector(t, "Open", v, out[len(prefix):], err)
			for door, in := range map[string]io.Reader{"pipe": onlyReader{bytes.NewReader(v.Envelope)}, "file": bytes.NewReader(v.Envelope)} {
				out, err := io.ReadAll(open().NewReader(t.Context(), in, b))
				want := *v
				if word := streamed[v.Name]; word != "" {
					want.Expect = word
				}
				checkVector(t, door, &want, out, err)
			}
		})
	}
}

func checkVector(t *testing.T, door string, v *vectors.Vector, out []byte, err error) {
	t.Helper()
	if v.Expect == "ok" {
		if err != nil || !bytes.Equal(out, v.Plaintext) {
			t.Errorf("%s: %d bytes, %v; want %d", door, len(out), err, len(v.Plaintext))
		}
		return
	}
	var refused *envelope.Error
	if !errors.As(err, &refused) || string(refused.Reason) != v.Expect {
		t.Errorf("%s: %v, want %s", door, err, v.Expect)
	}
}

// vectorOpener opens with a vector's keys and records.
func vectorOpener(t *testing.T, v *vectors.Vector, unwrappers map[string]keys.Unwrapper, context string) *envelope.Opener {
	t.Helper()
	var keks []keys.Unwrapper
	for i := range v.Keys {
		file := string(v.Keys[i].File())
		if unwrappers[file] == nil {
			u, err := v.Keys[i].Unwrapper()
			if err != nil {
				t.Fatal(err)
			}
			unwrappers[file] = u
		}
		keks = append(keks, unwrappers[file])
	}
	if len(keks) == 0 {
		keks = append(keks, newKEK(t))
	}
	o, err := envelope.NewOpener(keks, envelope.OpenerOptions{Context: context, Store: vectorStore(v.Records)})
	if err != nil {
		t.Fatal(err)
	}
	return o
}
