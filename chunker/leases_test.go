package chunker_test

import (
	"sync"
	"testing"

	"github.com/streamcrypt/streamcrypt/chunker"
)

// TestNoIVTwice: the sealers of one key, taken and used at the same time, never
// meet. One case has many of them, the other uses few for long.
func TestNoIVTwice(t *testing.T) {
	for name, nonces := range bothKinds {
		t.Run(name, func(t *testing.T) {
			neverTwice(t, nonces, 2000, 1)
			neverTwice(t, nonces, 20, 100)
		})
	}
}

func neverTwice(t *testing.T, nonces chunker.Nonces, leases, seals int) {
	t.Helper()
	_, k := newKey(t, nonces)
	ivs := make([][][chunker.IVSize]byte, 8)
	var wg sync.WaitGroup
	for g := range ivs {
		wg.Go(func() {
			var err error
			if ivs[g], err = sealMany(k, leases, seals); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	seen := map[[chunker.IVSize]byte]bool{}
	for _, list := range ivs {
		for _, iv := range list {
			if seen[iv] {
				t.Fatalf("IV %x twice", iv)
			}
			seen[iv] = true
		}
	}
	if want := len(ivs) * leases * seals; len(seen) != want {
		t.Errorf("%d IVs, want %d", len(seen), want)
	}
}

// sealMany returns the IVs of so many seals under each of so many leases.
func sealMany(k *chunker.SealingKey, leases, seals int) (ivs [][chunker.IVSize]byte, err error) {
	sealers := make([]*chunker.Sealer, leases)
	for i := range sealers {
		if sealers[i], err = k.NewSealer(); err != nil {
			return nil, err
		}
	}
	for _, s := range sealers {
		for range seals {
			out, err := s.Seal(nil, nil, nil, nil)
			if err != nil {
				return nil, err
			}
			ivs = append(ivs, [chunker.IVSize]byte(out))
		}
	}
	return ivs, nil
}
