package pipeline

import "context"

// Pool is memory for batches in flight that several runs of a process share.
// Each run has memory for one batch of its own beside it. So a run that is
// stuck in its sink keeps no other from going on; it only makes them slower, by
// the memory that it holds. Options.Pool gives a run its share.
type Pool struct {
	workers, budget int
	free            chan *buffers
}

// NewPool returns a Pool with which each run has at most this many batches in
// flight; a zero means the default of Options. It takes the place of
// Options.Workers and Options.Budget.
func NewPool(workers, budget int) (*Pool, error) {
	o := Options{Workers: workers, Budget: budget}
	if err := o.Check(); err != nil {
		return nil, err
	}
	o = o.withSizes()
	p := &Pool{workers: o.Workers, budget: o.Budget, free: make(chan *buffers, o.Workers-1)}
	for range o.Workers - 1 {
		p.free <- new(buffers)
	}
	return p, nil
}

// Memory returns how many bytes a process takes at most in which this many runs
// share p, besides the lanes of the runs: see Memory.
func (p *Pool) Memory(runs int) int64 {
	return int64(runs+p.workers-1)*int64(p.budget) + processMemory
}

// Clear overwrites the memory, which may hold plaintext. No run may use p any
// more.
func (p *Pool) Clear() {
	for range p.workers - 1 {
		b := <-p.free
		b.clearValues()
		p.free <- b
	}
}

// buffers are the memory of one batch in flight.
type buffers struct {
	out     []byte // the values of msgs; cleared when the run ends
	msgs    []Message
	parts   []partMessage // of the same index as msgs
	rejects []pendingLetter
	letters []Message
	owner   chan *buffers // where they lie while nobody uses them
}

func (b *buffers) clearValues() { clear(b.out[:cap(b.out)]) }

// makeBuffers makes the buffers that the run has for itself.
func (e *engine) makeBuffers() {
	n := e.Workers
	if e.Pool != nil {
		n = 1
	}
	e.own = make(chan *buffers, n)
	for range n {
		e.own <- new(buffers)
	}
}

// clearBuffers overwrites them, when no worker is left.
func (e *engine) clearBuffers() {
	for range cap(e.own) {
		b := <-e.own
		b.clearValues()
	}
}

// takeBuffers waits for memory of the run's own or of its pool.
func (e *engine) takeBuffers(ctx context.Context) (*buffers, error) {
	take := func(b *buffers, from chan *buffers) (*buffers, error) {
		b.owner = from
		return b, nil
	}
	select {
	case b := <-e.own:
		return take(b, e.own)
	default:
	}
	var shared chan *buffers // nil, from which nothing ever comes
	if e.Pool != nil {
		shared = e.Pool.free
	}
	select {
	case b := <-e.own:
		return take(b, e.own)
	case b := <-shared:
		return take(b, shared)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// giveBack ends the use of buffers.
func (b *buffers) giveBack() { b.owner <- b }
