package alarm

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// outage is a key service and an audit log that are away as told.
type outage struct {
	*local.AES
	serviceAway, auditAway atomic.Bool
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	kek, err := local.NewAES(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return &outage{AES: kek}
}

func (o *outage) Wrap(ctx context.Context, c keys.Context, dek []byte) (keys.Wrapped, error) {
	if o.serviceAway.Load() {
		return keys.Wrapped{}, &keys.Error{Class: keys.Away, Key: o.Name(), Op: "wrap", Err: errors.New("no answer")}
	}
	return o.AES.Wrap(ctx, c, dek)
}

func (o *outage) Record(kekcache.Event) error {
	if o.auditAway.Load() {
		return errors.New("no space left")
	}
	return nil
}

// TestSealingOutage: data keys that lack the key service first and the audit
// log then raise an alarm of each kind.
func TestSealingOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r, o := new(watch.Route), new(recorder), newOutage(t)
		sealer, err := envelope.NewSealer([]keys.Wrapper{o}, envelope.SealerOptions{
			Context: "orders", Limits: kekcache.Limits{Age: time.Minute}, Audit: o, Observer: w,
		})
		if err != nil {
			t.Fatal(err)
		}
		seal := func() {
			if _, err := sealer.Seal(t.Context(), nil, []byte("x"), envelope.Binding{}); err != nil {
				t.Error(err)
			}
		}
		seal()
		a := begin(r, w)
		o.serviceAway.Store(true)
		time.Sleep(time.Minute)
		var waits sync.WaitGroup
		waits.Go(seal)
		wait := func(want ...string) {
			t.Helper()
			time.Sleep(2 * pause)
			if got := r.take(); !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		}
		wait("restricted raised orders 1")
		o.serviceAway.Store(false)
		o.auditAway.Store(true)
		wait("restricted cleared orders 1", "audit-away raised orders 1")
		o.auditAway.Store(false)
		wait("audit-away cleared orders 1")
		waits.Wait()
		a.Close()
		if err := sealer.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestOpeningOutage: so does a key that is opened and cannot be audited.
func TestOpeningOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, o := new(watch.Route), newOutage(t)
		sealer, err := envelope.NewSealer([]keys.Wrapper{o}, envelope.SealerOptions{Context: "orders"})
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := sealer.Seal(t.Context(), nil, []byte("x"), envelope.Binding{})
		if err != nil {
			t.Fatal(err)
		}
		opener, err := envelope.NewOpener([]keys.Unwrapper{o.AES}, envelope.OpenerOptions{Context: "orders", Audit: o, Observer: w})
		if err != nil {
			t.Fatal(err)
		}
		o.auditAway.Store(true)
		var waits sync.WaitGroup
		waits.Go(func() {
			if _, err := opener.Open(t.Context(), nil, sealed, envelope.Binding{}); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Minute)
		if found := lookAt(w); len(found) != 1 || found[AuditAway] != (finding{1, "orders", "audit: no space left"}) {
			t.Errorf("%v", found)
		}
		o.auditAway.Store(false)
		waits.Wait()
		if found := lookAt(w); len(found) != 0 {
			t.Errorf("afterwards: %v", found)
		}
		if err := sealer.Close(); err != nil {
			t.Error(err)
		}
	})
}
