package chunker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
)

// TestNoLeaseTwice asks for leases as fast as it can.
func TestNoLeaseTwice(t *testing.T) {
	const goroutines, leases = 4, 50_000
	k, err := new(DEK).NewSealingKey(Counter)
	if err != nil {
		t.Fatal(err)
	}
	var taken [goroutines * leases]atomic.Bool
	start := make(chan struct{})
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			<-start
			for range leases {
				s, err := k.NewSealer()
				if err != nil {
					t.Error(err)
					return
				}
				if taken[binary.BigEndian.Uint32(s.iv[:])-k.firstLease].Swap(true) {
					t.Errorf("lease %x twice", s.iv[:4])
					return
				}
			}
		})
	}
	close(start)
	wg.Wait()
}

func TestLeasesEndForEver(t *testing.T) {
	k, err := new(DEK).NewSealingKey(Counter)
	if err != nil {
		t.Fatal(err)
	}
	k.leases.Store(math.MaxUint32 - 1)
	last := k.firstLease + math.MaxUint32 // modulo 2^32, as all leases
	var granted, refused atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				switch s, err := k.NewSealer(); {
				case err == nil:
					granted.Add(1)
					if n := binary.BigEndian.Uint32(s.iv[:]); n != last && n != last-1 {
						t.Errorf("lease %d again", n)
					}
				case errors.Is(err, ErrLeases):
					refused.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if granted.Load() != 2 || refused.Load() != 798 {
		t.Errorf("%d leases granted, %d refused", granted.Load(), refused.Load())
	}

	k.leases.Store(math.MaxUint64 - 1) // further than refusals can bring it
	for range 3 {
		if _, err := k.NewSealer(); !errors.Is(err, ErrLeases) {
			t.Fatalf("near the end of the counter of leases: %v", err)
		}
	}
}

// TestUsesEndForEver: a lease is used 2^32 times and no more, however its
// counter stands.
func TestUsesEndForEver(t *testing.T) {
	for _, nonces := range []Nonces{Counter, Random} {
		k, err := new(DEK).NewSealingKey(nonces)
		if err != nil {
			t.Fatal(err)
		}
		s, err := k.NewSealer()
		if err != nil {
			t.Fatal(err)
		}
		if s.left != 1<<32 {
			t.Errorf("%d uses", s.left)
		}
		s.left = 2
		for range 2 {
			if _, err := s.Seal(nil, nil, nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			dst := []byte("dst")
			out, err := s.Seal(dst, []byte("head"), []byte("plain"), nil)
			if !errors.Is(err, ErrLeases) || !bytes.Equal(out, dst) {
				t.Fatalf("after the last seal: %q, %v", out, err)
			}
		}
	}
}

// TestCountersWrap: lease and counter are integers modulo 2^32 and 2^64.
func TestCountersWrap(t *testing.T) {
	k, err := new(DEK).NewSealingKey(Counter)
	if err != nil {
		t.Fatal(err)
	}
	k.firstLease = math.MaxUint32
	for _, want := range []uint32{math.MaxUint32, 0, 1} {
		s, err := k.NewSealer()
		if err != nil {
			t.Fatal(err)
		}
		if got := binary.BigEndian.Uint32(s.iv[:]); got != want {
			t.Errorf("lease %d, want %d", got, want)
		}
		s.counter = math.MaxUint64 - 1
		for _, want := range []uint64{math.MaxUint64, 0, 1} {
			out, err := s.Seal(nil, nil, nil, nil)
			if err != nil || binary.BigEndian.Uint64(out[4:]) != want {
				t.Fatalf("counter of %x, want %d; %v", out, want, err)
			}
		}
	}
}
