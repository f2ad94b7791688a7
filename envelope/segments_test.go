package envelope_test

import (
	"bytes"
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
)

// TestNoChunkIsLeftBehind: where dst has room for some chunks and not for all,
// none of them stays there, whether a later one is refused or not.
func TestNoChunkIsLeftBehind(t *testing.T) {
	r := newRig(t, rigOptions{})
	in := payload(5 * 4096)
	e, err := r.sealer(t, 4096).Seal(t.Context(), nil, in, envelope.Binding{})
	if err != nil {
		t.Fatal(err)
	}
	o := r.opener(t)
	bad := bytes.Clone(e)
	bad[len(bad)*3/4] ^= 1
	for room := range 7 {
		dst := append(make([]byte, 0, 6+room*4096), "before"...)
		isLeft := func() bool {
			spare := dst[len(dst):cap(dst)]
			return !bytes.Equal(spare, make([]byte, len(spare)))
		}
		if out, err := o.Open(t.Context(), dst, bad, envelope.Binding{}); err == nil || string(out) != "before" || isLeft() {
			t.Errorf("room for %d, refused: %v, something is left: %v", room, err, isLeft())
		}
		out, err := o.Open(t.Context(), dst, e, envelope.Binding{})
		if err != nil || !bytes.Equal(out[6:], in) {
			t.Fatalf("room for %d: %v", room, err)
		}
		if inPlace := &out[0] == &dst[0]; inPlace != (room >= 5) || !inPlace && isLeft() {
			t.Errorf("room for %d: opened there: %v, something is left: %v", room, inPlace, isLeft())
		}
	}
}
