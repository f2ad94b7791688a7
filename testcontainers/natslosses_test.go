package testcontainers

import (
	"context"
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// flowing waits until n more messages are published and sealed.
func (r *natsRoutes) flowing(ctx context.Context, n int) {
	r.Helper()
	want := r.count() + n
	eventually(ctx, r.T, "nothing is published", func() error {
		if have := r.count(); have < want {
			return fmt.Errorf("%d of %d", have, want)
		}
		return nil
	})
	r.awaitFlow(ctx)
}

// quiet has nothing published while f runs, after all is sealed.
func (r *natsRoutes) quiet(ctx context.Context, f func()) {
	r.Helper()
	r.pause.Lock()
	defer r.pause.Unlock()
	r.awaitFlow(ctx)
	f()
}

// TestNATSTailLost has the server come back with an older disk: first of the
// sink, then of the source, whose sequences are then used again. All that is
// published from then on is sealed, once.
func TestNATSTailLost(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	r := openNATSRoutes(ctx, t, 1)
	r.begin(ctx)
	var e expectation
	for _, stream := range []string{natsAll, natsSource} {
		r.flowing(ctx, 200)
		node, putBack := r.nodes[0], func() {}
		r.quiet(ctx, func() {
			node.stop(t, syscall.SIGTERM)
			putBack = node.saveBlocks(t, stream)
			node.start(t)
		})
		r.flowing(ctx, 300)
		r.quiet(ctx, func() {
			node.stop(t, syscall.SIGTERM)
			putBack()
			node.start(t)
			if stream == natsAll {
				e.mayMiss = r.count()
			} else {
				e.mayExceed = r.count()
			}
		})
		r.flowing(ctx, 400)
	}
	r.end(ctx)
	r.check(ctx, e)
}

// TestNATSMadeAnew makes the source anew: the routes say so, and processes that
// are started again seal all that it has. Then it purges the sink, and deletes
// it and makes it anew: the routes go on by themselves.
func TestNATSMadeAnew(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	r := openNATSRoutes(ctx, t, 1)
	r.begin(ctx)
	r.flowing(ctx, 200)
	var e expectation
	r.quiet(ctx, func() {
		e.mayMiss, e.mayExceed = r.count(), r.count()
		if err := r.js.DeleteStream(ctx, natsSource); err != nil {
			t.Fatal(err)
		}
		r.makeStream(ctx, natsSource)
	})
	for _, s := range r.sinks {
		eventually(ctx, t, "nobody says that the source is another one", func() error {
			for _, p := range s.processes {
				if p.hasLogged("made anew") > 0 {
					return nil
				}
			}
			return fmt.Errorf("%s", s.stream)
		})
		for i := range s.processes { // as a supervisor does when they have ended
			_ = s.processes[i].cmd.Process.Signal(syscall.SIGTERM)
			<-s.processes[i].ended
			r.beginProcess(s, i)
		}
	}
	r.flowing(ctx, 400) // the sink has ids of messages with these sequences

	all, err := r.js.Stream(ctx, natsAll)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := all.Purge(ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // in the middle of writes
	}
	e.mayMiss = r.count() + 20
	r.flowing(ctx, 200)
	if err := r.js.DeleteStream(ctx, natsAll); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	r.makeStream(ctx, natsAll)
	e.mayMiss = r.count() + 20
	r.flowing(ctx, 200)
	r.end(ctx)
	r.check(ctx, e)
}

// TestNATSKeyServiceAway takes the key service away for longer than AckWait,
// and longer than a data key lives. Nothing is sealed meanwhile under an old
// key, and all is sealed once when it is back.
func TestNATSKeyServiceAway(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	away, ackWait := 15*time.Second, 5*time.Second
	if envNumber(t, natsFaultsSeeds, 0) > 0 {
		away, ackWait = time.Minute, 30*time.Second
	}
	emulators(t, func(t *testing.T, e *emulator) {
		a := newAccount(t, e)
		p := newProxy(t, a.endpoint)
		r := openNATSRoutes(ctx, t, 1)
		r.key = fmt.Sprintf("awskms:%s?endpoint=%s", a.symmetric(), p.URL)
		r.with, r.ackWait = []string{"--window", "3s"}, ackWait
		r.begin(ctx)
		r.flowing(ctx, 200)
		p.setFault(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
		time.Sleep(away)
		before, err := r.lastSequence(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range r.sinks {
			if floor, err := r.floor(ctx, s); err != nil || floor >= before {
				t.Errorf("%s is sealed up to %d of %d without a key: %v", s.stream, floor, before, err)
			}
			if consumer, err := r.js.Consumer(ctx, natsSource, s.consumer); err != nil {
				t.Error(err)
			} else if n := consumer.CachedInfo().NumRedelivered; n > 0 {
				t.Errorf("%d messages were delivered again, although they are being worked on", n)
			}
		}
		p.setFault(nil)
		r.flowing(ctx, 200)
		r.end(ctx)
		r.check(ctx, expectation{})
	})
}
