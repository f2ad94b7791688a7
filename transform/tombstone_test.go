package transform_test

import (
	"slices"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// TestTombstoneHeader: the envelope is the last header, and goes again. A
// batch's header arrays are one piece of memory, so neither may write into what
// is behind a message's own.
func TestTombstoneHeader(t *testing.T) {
	profiles(t, func(t *testing.T, r rig) {
		e, d := r.encrypt(t), r.decrypt(t)
		for own := range 4 {
			array := []pipeline.Header{{Name: "a", Value: []byte("1")}, {Name: "b"}, {Name: "a", Value: []byte{}}, {Name: "neighbour"}}
			before := slices.Clone(array)
			m := pipeline.Message{Key: []byte("k"), Headers: array[:own]} // with spare capacity, the neighbour's

			sealed := must(t, e, m)
			if sealed.Value != nil || len(sealed.Headers) != own+1 || !sameHeaders(sealed.Headers[:own], before[:own]) {
				t.Fatalf("%d headers: %+v", own, sealed)
			}
			if last := sealed.Headers[own]; last.Name != transform.HeaderName || len(last.Value) == 0 {
				t.Errorf("the last header is %q of %d bytes", last.Name, len(last.Value))
			}
			if !sameHeaders(array, before) {
				t.Errorf("sealing changed the batch: %+v", array)
			}

			// The envelope may stand anywhere among the headers.
			for at := range own + 1 {
				array := slices.Insert(slices.Clone(before[:own]), at, sealed.Headers[own])
				array = append(array, pipeline.Header{Name: "neighbour"})
				before := slices.Clone(array)
				opened := must(t, d, pipeline.Message{Key: []byte("k"), Headers: array[:own+1]})
				if opened.Value != nil || !sameHeaders(opened.Headers, m.Headers) {
					t.Errorf("envelope at %d of %d: %+v", at, own, opened.Headers)
				}
				if !sameHeaders(array, before) {
					t.Errorf("opening changed the batch: %+v", array)
				}
			}
		}
	})
}

// TestAppendToWhatIsReturned: whoever appends to a returned slice does not
// write into the next message's.
func TestAppendToWhatIsReturned(t *testing.T) {
	r := newRig(t, nil)
	subject := func(dst, s []byte) ([]byte, error) { return append(dst, s...), nil }
	e := r.encrypt(t, func(o *transform.EncryptOptions) { o.Subject = subject })
	d := r.decrypt(t, func(o *transform.DecryptOptions) { o.Subject = subject })
	for range 3 { // from the second time on there is spare memory
		e.Reset()
		d.Reset()
		var sealed, opened [2]pipeline.Message
		for i := range sealed {
			sealed[i] = must(t, e, pipeline.Message{Subject: []byte("s"), Headers: []pipeline.Header{{Name: "h"}}})
			opened[i] = must(t, d, sealed[i])
		}
		for _, first := range []pipeline.Message{sealed[0], opened[0]} {
			_ = append(first.Headers, pipeline.Header{Name: "x"})
			_ = append(first.Subject, 'x')
		}
		_ = append(sealed[0].Headers[1].Value, 'x')
		for _, second := range []pipeline.Message{sealed[1], opened[1]} {
			if second.Headers[0].Name != "h" || string(second.Subject) != "s" {
				t.Fatalf("%+v", second)
			}
		}
		must(t, r.decrypt(t), sealed[1])
	}
}
