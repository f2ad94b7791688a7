package membership

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// layout is topics in a test.
type layout struct {
	mu     sync.Mutex
	counts map[string]int32
	fresh  []string
	asked  int
}

func (l *layout) CountPartitions(_ context.Context, topics []string) (map[string]int32, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := map[string]int32{}
	for _, t := range topics {
		if n, ok := l.counts[t]; ok {
			found[t] = n
		}
	}
	return found, nil
}

func (l *layout) FindFresh(context.Context, map[string]int32) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	return l.fresh, nil
}

func (l *layout) TopicName(context.Context, [16]byte) (string, error)    { return "t", nil }
func (l *layout) TopicID(context.Context, string) (id [16]byte, _ error) { return id, nil }

func (l *layout) set(topic string, n int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[topic] = n
}

// board notes who has which partition, and fails the test if two have one.
type board struct {
	t  *testing.T
	mu sync.Mutex
	by map[Partition]*process
	// idle is since when a partition has had nobody.
	idle    map[Partition]time.Time
	longest time.Duration
}

func newBoard(t *testing.T) *board {
	return &board{t: t, by: map[Partition]*process{}, idle: map[Partition]time.Time{}}
}

// process is a member and what it does with its partitions.
type process struct {
	*board
	*Member
	link  *link
	drain time.Duration // how long giving up partitions takes
	stop  context.CancelFunc
	ended chan error

	takes, releases, drops int
	freshOnes              []Partition
}

func (p *process) Take(partitions []Assigned) {
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	p.takes += len(partitions)
	for _, a := range partitions {
		if other := p.by[a.Partition]; other != nil && other.leased() {
			p.t.Errorf("%v: %v is taken by %s, and %s has it, settled %v, leased until %v", time.Now(), a,
				p.Identity().Member, other.Identity().Member, other.settled, other.lease.until)
		}
		p.by[a.Partition] = p
		if since, ok := p.idle[a.Partition]; ok {
			p.longest = max(p.longest, time.Since(since))
			delete(p.idle, a.Partition)
		}
		if a.Fresh {
			p.freshOnes = append(p.freshOnes, a.Partition)
		}
	}
}

func (p *process) Release(ctx context.Context, partitions []Partition) {
	select {
	case <-time.After(p.drain):
	case <-ctx.Done():
	}
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	p.releases += len(partitions)
	p.free(partitions)
}

func (p *process) Drop(partitions []Partition) {
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	p.drops += len(partitions)
	p.free(partitions)
}

func (p *process) free(partitions []Partition) {
	for _, q := range partitions {
		if p.by[q] == p {
			delete(p.by, q)
			p.idle[q] = time.Now()
		}
	}
}

// leased tells whether the process may still write.
func (p *process) leased() bool {
	p.lease.mu.Lock()
	defer p.lease.mu.Unlock()
	return p.lease.current != nil && p.lease.current.Err() == nil
}

// has returns the partitions of a process, in order.
func (p *process) has() []Partition {
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	var all []Partition
	for q, owner := range p.by {
		if owner == p {
			all = append(all, q)
		}
	}
	sortPartitions(all)
	return all
}

func (b *board) start(c *coordinator, l *layout, o Options) *process {
	b.t.Helper()
	return b.startSlow(c, l, o, 0)
}

// startSlow starts a process that takes a while to give up partitions.
func (b *board) startSlow(c *coordinator, l *layout, o Options, drain time.Duration) *process {
	b.t.Helper()
	p := &process{board: b, drain: drain, link: c.link(), ended: make(chan error, 1)}
	o.Coordinator, o.Layout, o.Holder = p.link, l, p
	if o.Group == "" {
		o.Group = "g"
	}
	if o.Topics == nil {
		o.Topics = []string{"t"}
	}
	o.Log = logger.With("process", len(c.links))
	m, err := New(o)
	if err != nil {
		b.t.Fatal(err)
	}
	p.Member = m
	var ctx context.Context
	ctx, p.stop = context.WithCancel(context.Background())
	go func() { p.ended <- m.Run(ctx) }()
	return p
}

// checkGoesOn checks that the process has not ended, and holds partitions.
func (p *process) checkGoesOn() {
	p.t.Helper()
	select {
	case err := <-p.ended:
		p.t.Fatalf("it has ended: %v", err)
	default:
	}
	if lease, err := p.AwaitLease(p.t.Context()); err != nil || lease.Err() != nil || len(p.has()) == 0 {
		p.t.Errorf("it does not go on: %v, %v", err, p.has())
	}
}

// leave ends a process as SIGTERM does.
func (p *process) leave() {
	p.t.Helper()
	p.stop()
	if err := <-p.ended; err != nil {
		p.t.Error(err)
	}
	p.Drop(p.holding.listHeld())
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = p.Leave(ctx)
}

// kill ends a process as SIGKILL does: nobody hears of it.
func (p *process) kill() {
	p.link.setCut(true)
	p.stop()
	<-p.ended
	p.lease.endNow(ErrNotHeld)
	p.Drop(p.holding.listHeld())
}

// bubble runs a test in virtual time, with the processes ended at its end.
func bubble(t *testing.T, f func(t *testing.T, b *board)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newBoard(t)) })
}

var logger = slog.New(slog.DiscardHandler)

// pass lets time pass, and everything that is due in it happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func sizes(ps ...*process) []int {
	var n []int
	for _, p := range ps {
		n = append(n, len(p.has()))
	}
	slices.Sort(n)
	return n
}
