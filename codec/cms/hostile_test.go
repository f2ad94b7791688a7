package cms

import (
	"runtime"
	"strings"
	"testing"
)

// nest returns arrays in arrays, or maps in maps, 16 wide.
func nest(depth int, maps bool) []byte {
	if depth == 0 {
		return []byte{0x80}
	}
	inner, out := nest(depth-1, maps), []byte{0x90}
	if maps {
		out[0] = 0xb0
	}
	for i := range 16 {
		if maps {
			out = append(out, byte(i))
		}
		out = append(out, inner...)
	}
	return out
}

// TestHostileInputCostsItsOwnSize: whatever is nested where, parsing allocates
// no more than the input's size, twice at the most.
func TestHostileInputCostsItsOwnSize(t *testing.T) {
	protected := append([]byte{0xa2, 0x01, 0x03, 0x3a, 0x73, 0x63, 0x00, 0x01, 0x58, 0x3c}, make([]byte, 60)...)
	headed := append([]byte{0xd8, 0x60, 0x84, 0x58, byte(len(protected))}, protected...)
	for name, parts := range map[string][][]byte{
		"arrays for the protected header": {{0xd8, 0x60, 0x84}, nest(5, false), {0xa0, 0x40, 0x80}},
		"maps for the protected header":   {{0xd8, 0x60, 0x84}, nest(5, true), {0xa0, 0x40, 0x80}},
		"maps for unprotected headers":    {headed, nest(5, true), {0x40, 0x80}},
		"arrays for recipients":           {headed, {0xa1, 0x05, 0x4c}, make([]byte, 12), {0x50}, make([]byte, 16), nest(5, false)},
	} {
		t.Run(name, func(t *testing.T) {
			var b []byte
			for _, part := range parts {
				b = append(b, part...)
			}
			var e Envelope
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := Parse(b, &e)
			if err == nil {
				_, err = ParseRecipients(e.Recipients, nil)
			}
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Fatal("accepted")
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 2*uint64(len(b)) {
				t.Errorf("%d bytes of input, %d allocated: %v", len(b), grown, err)
			}
		})
	}
}

// TestErrorsShowNothing: what is in an envelope is its sender's choice, and
// errors go to terminals.
func TestErrorsShowNothing(t *testing.T) {
	alg := "\x1b]0;title\x07\n"
	b := append([]byte{0xd8, 0x60, 0x84, byte(0x40 | 3 + len(alg)), 0xa1, 0x01, byte(0x60 | len(alg))}, alg...)
	var e Envelope
	if err := Parse(append(b, 0xa0, 0x40, 0x80), &e); err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("%q", err)
	}
}
