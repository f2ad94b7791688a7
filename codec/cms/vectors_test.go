package cms

import (
	"errors"
	"testing"

	"github.com/streamcrypt/streamcrypt/docs/vectors"
)

// TestVectors holds Parse against the vectors that it can judge: those that are
// refused with one of its words must be refused with that word, or with none,
// since later steps have the same words; all others must be accepted.
func TestVectors(t *testing.T) {
	all, err := vectors.All()
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]error{}
	for _, word := range []error{ErrNotEnvelope, ErrTruncated, ErrTooLarge, ErrMalformed, ErrUnsupported} {
		words[word.Error()] = word
	}
	refused := 0
	for i := range all {
		v := &all[i]
		var e Envelope
		err := Parse(v.Envelope, &e)
		if err == nil && !e.ByReference {
			_, err = ParseRecipients(e.Recipients, nil)
		}
		if err == nil {
			err = e.CheckKind(Kind(v.Kind))
		}
		want := words[v.Expect]
		switch {
		case err == nil:
		case want == nil || !errors.Is(err, want):
			t.Errorf("%s: %v, want %s", v.Name, err, v.Expect)
		default:
			refused++
		}
		if err == nil && v.Grammar == "refuses" {
			t.Errorf("%s: accepted, and the grammar refuses it", v.Name)
		}
	}
	if refused < 300 {
		t.Errorf("%d vectors refused", refused)
	}
}
