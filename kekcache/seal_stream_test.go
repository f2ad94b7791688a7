package kekcache_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
)

// TestReloadDuringFresh: a key of its own that was made for a KEK which is
// removed meanwhile is not used either.
func TestReloadDuringFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		audit, a, b := &fakeAudit{}, &deafKEK{newKEK("a")}, newKEK("b")
		c := newSealing(t, sealingOptions{Wrappers: wrappers(a), Audit: audit})
		a.set(nil, time.Minute)
		got := make(chan *kekcache.Grant)
		go func() {
			g, err := c.StreamKey(t.Context())
			if err != nil {
				t.Error(err)
			}
			got <- g
		}()
		time.Sleep(time.Second)
		if err := c.Reload(t.Context(), wrappers(b)); err != nil {
			t.Fatal(err)
		}
		g := <-got
		if to := names(g.Key.Recipients); !slices.Equal(to, []string{"b"}) {
			t.Errorf("sealed for %q", to)
		}
		g.Done()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		audit.balanced(t, 0)
	})
}

// TestCloseDuringFresh: who waits for a key of its own hears of it, and one
// that comes later is not used.
func TestCloseDuringFresh(t *testing.T) {
	for name, set := range map[string]func(*fakeKEK){
		"slow": func(k *fakeKEK) { k.set(nil, time.Minute) },
		"away": func(k *fakeKEK) { k.away() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				audit, kek := &fakeAudit{}, &deafKEK{newKEK("kek")}
				c := newSealing(t, sealingOptions{Wrappers: wrappers(kek), Audit: audit})
				set(kek.fakeKEK)
				ended := make(chan error, 1)
				go func() { _, err := c.StreamKey(t.Context()); ended <- err }()
				time.Sleep(time.Second)
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Hour)
				select {
				case err := <-ended:
					if !errors.Is(err, kekcache.ErrClosed) {
						t.Error(err)
					}
				default:
					t.Error("still waiting")
					kek.fine()
					<-ended
				}
				audit.balanced(t, 0)
			})
		})
	}
}
