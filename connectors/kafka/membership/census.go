package membership

import (
	"context"
	"sync"
)

// census is how a leader tells its user which processes are members.
type census struct {
	// For the goroutine of Run:
	counted []string      // of the round that is under way
	over    chan struct{} // of the last count; nil before one

	tell chan count // has the last one that the user was not told of yet
}

// count is the members of a round.
type count struct {
	processes []string
	over      <-chan struct{} // closed when another round begins
}

// expireCount has the last count hold no more: in the round that begins others
// may become members.
func (c *census) expireCount() {
	c.counted = nil
	if c.over != nil {
		close(c.over)
		c.over = nil
	}
}

// hold notes the members of a round, which counts once it is over. A member
// without the name of a process may be any process.
func (c *census) hold(members []memberView) {
	c.counted = nil
	for i := range members {
		if members[i].process == "" {
			c.counted = nil
			return
		}
		c.counted = append(c.counted, members[i].process)
	}
}

// release has the user be told of the members of the round that is over.
func (c *census) release() {
	if c.counted == nil {
		return
	}
	select {
	case <-c.tell: // an earlier round
	default:
	}
	c.over = make(chan struct{})
	c.tell <- count{c.counted, c.over}
	c.counted = nil
}

// tellAll tells the user until ctx ends, while there is a lease.
func (c *census) tellAll(ctx context.Context, l *lease, note func(context.Context, []string)) {
	for {
		select {
		case is := <-c.tell:
			if note != nil {
				is.tellUser(ctx, l, note)
			}
		case <-ctx.Done():
			return
		}
	}
}

// tellUser calls note with a context that ends with ctx, with the count and
// with the lease: a member that was stopped or cut off does not know whether
// others have had a round. If there is a lease again and the count still holds,
// they have not, and note is called again.
func (is count) tellUser(ctx context.Context, l *lease, note func(context.Context, []string)) {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-is.over:
			cancel()
		case <-ctx.Done():
		}
	})
	defer watch.Wait()
	defer cancel()
	for {
		lease, err := l.awaitNext(ctx)
		if err != nil || !is.holds() {
			return
		}
		during, end := context.WithCancel(ctx)
		stop := context.AfterFunc(lease, end)
		note(during, is.processes)
		stop()
		end()
		if lease.Err() == nil {
			return
		}
	}
}

// holds tells whether no other round has begun.
func (is count) holds() bool {
	select {
	case <-is.over:
		return false
	default:
		return true
	}
}
