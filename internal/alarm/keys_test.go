package alarm

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
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

// texts is a Sender that keeps the texts of alarms.
type texts struct {
	mu  sync.Mutex
	all []string
}

func (*texts) Name() string { return "texts" }

func (t *texts) Send(_ context.Context, a Alarm) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, a.State()+" "+a.Since.UTC().Format(time.TimeOnly)+" "+a.Text)
	return nil
}

// TestRestrictedForAnotherCause: an alarm about missing keys tells of its cause
// again when that has become another one, once in five minutes at most.
func TestRestrictedForAnotherCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, kept := new(watch.Route), new(texts)
		a := Start(Options{
			Routes:  func() []Route { return []Route{{"orders", w}} },
			Senders: []Sender{kept}, Log: slog.New(slog.DiscardHandler),
		})
		missing := func(cause string) {
			w.KeyState(kekcache.StateChange{Side: kekcache.Sealing, Context: "orders", State: kekcache.Restricted, Cause: errors.New(cause)})
		}
		missing("kms away")
		time.Sleep(2 * pause)
		for range 60 { // ten minutes
			missing("store away")
			time.Sleep(5 * time.Second)
			missing("store full")
			time.Sleep(5 * time.Second)
		}
		w.KeyState(kekcache.StateChange{Side: kekcache.Sealing, Context: "orders", State: kekcache.Normal})
		time.Sleep(time.Minute)
		a.Close()
		var states []string
		for _, told := range kept.all {
			states = append(states, strings.Fields(told)[0])
		}
		if !slices.Equal(states, []string{"raised", "raised", "raised", "cleared"}) && !slices.Equal(states, []string{"raised", "raised", "cleared"}) {
			t.Fatalf("%q", kept.all)
		}
		if !strings.HasSuffix(kept.all[0], "no key for sealing: kms away") || !strings.Contains(kept.all[1], "no key for sealing: store ") {
			t.Errorf("%q", kept.all)
		}
		if since := strings.Fields(kept.all[0])[1]; strings.Fields(kept.all[1])[1] != since {
			t.Errorf("the alarm is of another time: %q", kept.all)
		}
	})
}
