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
	k, err := NewSealingKey(new([KeySize]byte), Counter)
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
				if taken[binary.BigEndian.Uint32(s.iv[:])].Swap(true) {
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
	k, err := NewSealingKey(new([KeySize]byte), Counter)
	if err != nil {
		t.Fatal(err)
	}
	k.leases.Store(math.MaxUint32 - 1)
	var granted, refused atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				switch s, err := k.NewSealer(); {
				case err == nil:
					granted.Add(1)
					if n := binary.BigEndian.Uint32(s.iv[:]); n < math.MaxUint32-1 {
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

func TestCounterEndsForEver(t *testing.T) {
	k, err := NewSealingKey(new([KeySize]byte), Counter)
	if err != nil {
		t.Fatal(err)
	}
	s, err := k.NewSealer()
	if err != nil {
		t.Fatal(err)
	}
	s.counter = math.MaxUint64 - 1
	out, err := s.Seal(nil, nil, nil, nil)
	if err != nil || binary.BigEndian.Uint64(out[4:]) != math.MaxUint64 {
		t.Fatalf("last seal: %x, %v", out, err)
	}
	for range 3 {
		dst := []byte("dst")
		out, err := s.Seal(dst, []byte("head"), []byte("plain"), nil)
		if !errors.Is(err, ErrLeases) || !bytes.Equal(out, dst) {
			t.Fatalf("after the last seal: %q, %v", out, err)
		}
	}
}
