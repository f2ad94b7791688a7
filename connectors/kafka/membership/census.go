package membership

import "context"

// census is how a leader tells its user which processes are members.
type census struct {
	counted []string      // of the round that is under way; for the goroutine of Run
	tell    chan []string // has the last ones that nobody was told of yet
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
	c.tell <- c.counted
	c.counted = nil
}

// tellAll tells the user until ctx ends.
func (c *census) tellAll(ctx context.Context, note func(context.Context, []string)) {
	for {
		select {
		case processes := <-c.tell:
			if note != nil {
				note(ctx, processes)
			}
		case <-ctx.Done():
			return
		}
	}
}
