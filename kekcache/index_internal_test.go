package kekcache

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// namesStore has names only.
type namesStore struct {
	Store
	names [][KIDSize]byte
	walks int
}

func (s *namesStore) Each(_ context.Context, do func([KIDSize]byte) error) error {
	s.walks++
	for _, name := range s.names {
		if err := do(name); err != nil {
			return err
		}
	}
	return nil
}

// TestWalksAreWaitedFor: when strangers' hints have used up all walks, a name
// that is there is found after a wait, and is not said to be missing. Names that
// are known do not wait.
func TestWalksAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known, late := [KIDSize]byte{0xff, 1}, [KIDSize]byte{0xff, 2}
		store := &namesStore{names: [][KIDSize]byte{known}}
		x := newNameIndex(store)
		find := func(ctx context.Context, hint [HintSize]byte) (int, error) {
			names, err := x.findNames(ctx, hint)
			return len(names), err
		}
		began := time.Now()
		for n := range byte(maxWalks) {
			if n, err := find(t.Context(), [HintSize]byte{n}); n != 0 || err != nil {
				t.Fatalf("%d names, %v", n, err)
			}
		}
		store.names = append(store.names, late)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := find(ctx, [HintSize]byte{0x77})
			ended <- err
		}()
		synctest.Wait()
		if n, err := find(t.Context(), [HintSize]byte{0xff, 1}); n != 1 || err != nil || time.Since(began) != 0 {
			t.Errorf("one that is known: %d names, %v, after %s", n, err, time.Since(began))
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) || time.Since(began) != 0 {
			t.Errorf("a wait that did not end: %v, after %s", err, time.Since(began))
		}
		found := make(chan int)
		for range 10 {
			go func() {
				n, err := find(t.Context(), [HintSize]byte{0xff, 2})
				if err != nil {
					t.Error(err)
				}
				found <- n
			}()
		}
		for range 10 {
			if n := <-found; n != 1 {
				t.Errorf("%d names", n)
			}
		}
		if took := time.Since(began); took != walkEvery || store.walks != maxWalks+1 {
			t.Errorf("%d walks, after %s", store.walks, took)
		}
	})
}
