package membership

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// told is what leaders have told, in order.
type told struct {
	mu  sync.Mutex
	all [][]string
}

func (l *told) note(_ context.Context, processes []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	processes = slices.Clone(processes)
	slices.Sort(processes)
	l.all = append(l.all, processes)
}

func (l *told) last() (processes []string, times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == 0 {
		return nil, 0
	}
	return l.all[len(l.all)-1], len(l.all)
}

// TestCensus: leaders tell which processes are members, of the one that was
// killed only until its session is over; and say nothing while they do not know
// the process of every member.
func TestCensus(t *testing.T) {
	bubble(t, func(t *testing.T, b *board) {
		c, l, heard := newCoordinator(t), topic(6), new(told)
		named := func(process string) Options { return Options{Process: process, NoteMembers: heard.note} }
		x, y := b.start(c, l, named("x")), b.start(c, l, named("y"))
		pass(10 * time.Second)
		if got, _ := heard.last(); !slices.Equal(got, []string{"x", "y"}) {
			t.Fatalf("told of %v", got)
		}
		y.kill()
		pass(7 * time.Second) // less than a session
		if got, _ := heard.last(); !slices.Equal(got, []string{"x", "y"}) {
			t.Fatalf("told of %v before the session's end", got)
		}
		pass(5 * time.Second)
		if got, _ := heard.last(); !slices.Equal(got, []string{"x"}) {
			t.Fatalf("told of %v", got)
		}
		_, before := heard.last()
		z := b.start(c, l, named("")) // an earlier version
		pass(10 * time.Second)
		if got, times := heard.last(); times != before {
			t.Errorf("told of %v, and one member is not known", got)
		}
		z.leave()
		pass(10 * time.Second)
		if got, times := heard.last(); !slices.Equal(got, []string{"x"}) || times == before {
			t.Errorf("told of %v", got)
		}
		x.leave()
	})
}

// TestCensusExpires: a count holds until the next round begins. The user's work
// on it ends then, since a process that joins is not in it.
func TestCensusExpires(t *testing.T) {
	bubble(t, func(t *testing.T, b *board) {
		c, l := newCoordinator(t), topic(6)
		var mu sync.Mutex
		var ended [][]string
		x := b.start(c, l, Options{Process: "x", NoteMembers: func(ctx context.Context, processes []string) {
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			ended = append(ended, processes)
		}})
		pass(10 * time.Second)
		y := b.start(c, l, Options{Process: "y"})
		pass(10 * time.Second)
		mu.Lock()
		if len(ended) == 0 || !slices.Equal(ended[0], []string{"x"}) {
			t.Errorf("work on the count of a round that is over goes on: ended %v", ended)
		}
		mu.Unlock()
		y.leave()
		x.leave()
	})
}

// TestCensusNeedsLease: when the lease is over, others may have had a round of
// which this member does not know yet. The user's work on the last count ends
// then, and begins again with the next lease if there was no such round.
func TestCensusNeedsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := newLease(10*time.Second), census{tell: make(chan count, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var begun, ended atomic.Int64
		expect := func(when string, wantBegun, wantEnded int64) {
			t.Helper()
			synctest.Wait()
			if begun.Load() != wantBegun || ended.Load() != wantEnded {
				t.Errorf("%s: begun %d times, ended %d times", when, begun.Load(), ended.Load())
			}
		}
		go c.tellAll(ctx, l, func(ctx context.Context, _ []string) {
			begun.Add(1)
			<-ctx.Done()
			ended.Add(1)
		})
		c.hold([]memberView{{process: "x"}})
		c.release()
		expect("without a lease", 0, 0)
		l.extend(time.Now())
		expect("with a lease", 1, 0)
		pass(10 * time.Second)
		expect("the lease has lapsed", 1, 1)
		l.extend(time.Now())
		expect("there is another lease", 2, 1)
		l.endNow(ErrNotHeld)
		expect("the membership is lost", 2, 2)
		c.expireCount()
		l.extend(time.Now())
		expect("another round has begun", 2, 2)
	})
}

// TestCensusOfFailedRound: nobody is told of the members of a round that came
// to nothing.
func TestCensusOfFailedRound(t *testing.T) {
	c := census{tell: make(chan count, 1)}
	c.hold([]memberView{{process: "x"}})
	c.expireCount() // the next round, which another member leads
	c.release()
	select {
	case is := <-c.tell:
		t.Errorf("told of %v", is.processes)
	default:
	}
}
