package envelope_test

import (
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keystore/keystoretest"
)

// TestNoAllocations: workers allocate nothing for a message.
func TestNoAllocations(t *testing.T) {
	profiles(t, func(t *testing.T, store kekcache.Store) {
		r := newRig(t, rigOptions{store: store})
		s, o := r.sealer(t, 0).NewWorker(), r.opener(t).NewWorker()
		b := envelope.Binding{Subject: []byte("s"), Key: []byte("key-00001")}
		p := envelope.Position{Source: [5]byte{1}, Offset: 7}
		for _, n := range []int{0, 100, 1 << 10, 64 << 10, 1 << 20} {
			in, out := payload(n), make([]byte, 0, n)
			e, err := s.Seal(t.Context(), make([]byte, 0, s.MaxSize(n)), in, &b, &p)
			if err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 0, s.MaxSize(n))
			if allocs := testing.AllocsPerRun(50, func() { _, _ = s.Seal(t.Context(), buf, in, &b, &p) }); allocs != 0 {
				t.Errorf("Seal of %d bytes: %v allocations", n, allocs)
			}
			if allocs := testing.AllocsPerRun(50, func() { _, _, _ = o.Open(t.Context(), out, e, &b) }); allocs != 0 {
				t.Errorf("Open of %d bytes: %v allocations", n, allocs)
			}
		}
	})
}

// TestSizes holds the overhead to what docs/envelope.md promises.
func TestSizes(t *testing.T) {
	for name, c := range map[string]struct {
		store kekcache.Store
		want  int
	}{"self-contained": {nil, 167}, "by reference": {new(keystoretest.Memory), 94}} {
		e, err := newRig(t, rigOptions{store: c.store}).sealer(t, 0).Seal(t.Context(), nil, payload(1024), envelope.Binding{})
		if err != nil || len(e)-1024 != c.want {
			t.Errorf("%s: %d bytes over the payload, %v; want %d", name, len(e)-1024, err, c.want)
		}
	}
}
