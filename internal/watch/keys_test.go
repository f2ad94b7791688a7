package watch

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys/guard"
)

func TestKeys(t *testing.T) {
	var r Route
	cause := errors.New("away")
	r.KeyState(kekcache.StateChange{Side: kekcache.Sealing, Context: "orders", State: kekcache.State(1), Cause: cause})
	r.KeyEvent(kekcache.KeyEvent{Side: kekcache.Sealing, Context: "orders", Op: kekcache.OpWindowClosed, Messages: 5, Bytes: 50})
	r.KeyEvent(kekcache.KeyEvent{Side: kekcache.Sealing, Context: "orders", Op: kekcache.OpWindowClosed, Messages: 1, Bytes: 10})
	r.KeyEvent(kekcache.KeyEvent{Side: kekcache.Opening, Context: "orders", Op: kekcache.OpWindowClosed})
	got := r.Keys()
	if len(got) != 2 || got[0].Side != kekcache.Opening || got[1].Events[kekcache.OpWindowClosed] != 2 {
		t.Fatalf("%+v", got)
	}
	if s := got[1]; s.Messages != 6 || s.Bytes != 60 || s.State != 1 || s.Cause != cause || s.Since.IsZero() {
		t.Errorf("%+v", s)
	}
	got[1].Events[kekcache.OpWindowClosed] = 100
	if again := r.Keys(); again[1].Events[kekcache.OpWindowClosed] != 2 {
		t.Error("counts that were given away are still used")
	}
}

// TestKeyStateSince: another cause of a state does not make it younger.
func TestKeyStateSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Route
		began := time.Now()
		for _, cause := range []string{"away", "audit"} {
			r.KeyState(kekcache.StateChange{State: kekcache.Restricted, Cause: errors.New(cause)})
			if k := r.Keys()[0]; !k.Since.Equal(began) || k.Cause.Error() != cause {
				t.Errorf("%+v", k)
			}
			time.Sleep(time.Minute)
		}
		r.KeyState(kekcache.StateChange{})
		if k := r.Keys()[0]; k.Since.Equal(began) || k.Cause != nil {
			t.Errorf("%+v", k)
		}
	})
}

func TestCalls(t *testing.T) {
	var r Route
	for range 2 {
		r.KeyCall(kekcache.KeyCall{Side: kekcache.Opening, Op: "unwrap", Key: "k", Outcome: kekcache.OutcomeOK, Took: time.Second})
	}
	r.KeyCall(kekcache.KeyCall{Side: kekcache.Opening, Op: "unwrap", Key: "k", Outcome: kekcache.OutcomeAway})
	got := r.Calls()
	if len(got) != 2 || got[0].Outcome != kekcache.OutcomeAway || got[1].Calls != 2 || got[1].Took != 2*time.Second {
		t.Errorf("%+v", got)
	}
}

func TestBreakers(t *testing.T) {
	var r Route
	r.CallDelayed("b", time.Second)
	r.BreakerState("a", guard.Open)
	r.CallRefused("a")
	got := r.Breakers()
	if len(got) != 2 || got[0].State != guard.Open || got[0].Refused != 1 || got[0].Since.IsZero() ||
		got[1].Delayed != 1 || got[1].Waited != time.Second {
		t.Errorf("%+v", got)
	}
}

// TestKeyBound gives more names than have figures.
func TestKeyBound(t *testing.T) {
	var r Route
	for i := range MaxKeys + 5 {
		name := fmt.Sprint(i)
		r.KeyState(kekcache.StateChange{Context: name})
		r.KeyEvent(kekcache.KeyEvent{Context: name})
		r.KeyCall(kekcache.KeyCall{Key: name})
		r.BreakerState(name, guard.Open)
		r.CallRefused(name)
		r.CallDelayed(name, 1)
	}
	if k, c, b := len(r.Keys()), len(r.Calls()), len(r.Breakers()); k != MaxKeys || c != MaxKeys || b != MaxKeys {
		t.Errorf("%d, %d, %d", k, c, b)
	}
}
