//go:build !race

package envelope_test

import (
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/keys"
)

// TestSharedNoAllocations: a Sealer, Opener or Rewrapper that many goroutines
// share allocates nothing for a message either. Under the race detector its
// pool of workers drops some on purpose.
func TestSharedNoAllocations(t *testing.T) {
	r := newRig(t, rigOptions{})
	s, o := r.sealer(t, 0), r.opener(t)
	rewrapper := newRewrapper(t, nil, []keys.Unwrapper{r.kek}, newKEK(t))
	b := envelope.Binding{Key: []byte("key-00001")}
	in, buf := payload(1024), make([]byte, 0, s.MaxSize(1024))
	e, err := s.Seal(t.Context(), nil, in, b)
	if err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() error{
		"Seal":   func() error { _, err := s.Seal(t.Context(), buf, in, b); return err },
		"Open":   func() error { _, err := o.Open(t.Context(), buf, e, b); return err },
		"Rewrap": func() error { _, err := rewrapper.Rewrap(t.Context(), buf, e); return err },
	} {
		allocs := testing.AllocsPerRun(100, func() {
			if err := do(); err != nil {
				t.Error(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}
