package membership

import (
	"context"
	"slices"
	"sync"
	"testing"
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
