//go:build !race

package coding

// The race detector changes what sync.Pool keeps.

import (
	"bytes"
	"testing"
)

// TestNoAllocations: a coded message costs no memory.
func TestNoAllocations(t *testing.T) {
	for _, o := range []Options{{Level: 1}, {Level: 1, Dictionary: newDictionary(t, 8)}, {Level: 1, Padding: PadPADME()}} {
		e, err := NewEncoder(o)
		if err != nil {
			t.Fatal(err)
		}
		payload := bytes.Repeat(order(4), 3)
		coded, compressed := e.Code(payload, false)
		coded = bytes.Clone(coded)
		if n := testing.AllocsPerRun(100, func() { e.Code(payload, false) }); n != 0 {
			t.Errorf("%+v: %v allocations to encode", o, n)
		}
		d, dst := NewDecoder(1<<20), make([]byte, 0, len(payload)+64)
		c := Coding{Compressed: compressed, Padded: o.Padding.IsSet(), Dictionary: o.Dictionary}
		if n := testing.AllocsPerRun(100, func() {
			if out, err := d.Append(dst, coded, c); err != nil || len(out) != len(payload) {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%+v: %v allocations to decode", o, n)
		}
	}
}
