package kekcache_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/guard"
)

// guarded is a KEK behind a guard, as remote ones are.
type guarded struct {
	*fakeKEK
	guard *guard.Guard
}

func (k *guarded) Wrap(ctx context.Context, kc keys.Context, dek []byte) (w keys.Wrapped, err error) {
	err = k.guard.Do(ctx, "wrap", "k", func(ctx context.Context) (err error) {
		w, err = k.fakeKEK.Wrap(ctx, kc, dek)
		return err
	})
	return w, err
}

// TestBackBehindAGuard: work goes on within 5 seconds of a service's return,
// whatever the waits and the breaker were at, also if the service did not
// refuse but hung, and still owes the answer to the last try.
func TestBackBehindAGuard(t *testing.T) {
	for at := range 400 {
		synctest.Test(t, func(t *testing.T) {
			g, err := guard.New(guard.Options{Name: "kek"})
			if err != nil {
				t.Fatal(err)
			}
			kek := &guarded{newKEK("kek"), g}
			kek.set(nil, time.Hour)
			c := newSealing(t, sealingOptions{Wrappers: wrappers(kek)})
			got := make(chan *kekcache.Key)
			go func() { got <- key(t, c.Quota()) }()
			time.Sleep(time.Minute + time.Duration(at)*17*time.Millisecond)
			kek.fine()
			back := time.Now()
			if <-got; time.Since(back) > 5*time.Second {
				t.Errorf("%s after the service's return", time.Since(back))
			}
		})
	}
}
