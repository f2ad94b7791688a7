package pipelinetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// MemorySource is a Source whose places are in memory. Its batches are recycled: what a batch lent is
// overwritten with 0xAA when it is released. The exported fields must not change while it serves.
//
// It panics on what no pipeline may do: releasing a batch twice, committing backwards, or committing
// a place of another lane.
type MemorySource struct {
	// Live makes lanes wait for more at their end.
	Live bool
	// MaxBatch is the most messages in a batch; 0 leaves it to the read's limit.
	MaxBatch int
	// OnRead is called before each read and may fail or block it; may be nil.
	OnRead func(ctx context.Context) error
	// OnCommit is called before each commit is noted and may fail it; may be nil.
	OnCommit func(ctx context.Context, done *pipeline.Progress) error

	lanes [][]string // the places of each lane

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when something that lanes wait for has changed
	places  map[string]*place
	serving map[int]*memoryLane
	free    []*batch
	lent    int
	parked  []error
}

// place is what is stored in one place; a nil message is a gap. Its offsets are 0, 1, 2 ...
type place struct {
	stored    []*pipeline.Message
	committed pipeline.Position
}

// NewSource returns a source with one lane per argument, which names the places of that lane.
func NewSource(lanes ...[]string) *MemorySource {
	s := &MemorySource{
		lanes:   lanes,
		changed: make(chan struct{}),
		places:  make(map[string]*place),
		serving: make(map[int]*memoryLane),
	}
	for _, names := range lanes {
		for _, name := range names {
			s.places[name] = &place{committed: pipeline.Position{Place: name, Last: -1}}
		}
	}
	return s
}

// Put stores copies of msgs in a place.
func (s *MemorySource) Put(name string, msgs ...pipeline.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[name]
	for i := range msgs {
		m := clone(&msgs[i])
		p.stored = append(p.stored, &m)
	}
	s.signal()
}

// Gap stores a record in a place that takes an offset and is no message.
func (s *MemorySource) Gap(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places[name].stored = append(s.places[name].stored, nil)
	s.signal()
}

// Committed returns the position of a place as last committed.
func (s *MemorySource) Committed(name string) pipeline.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[name].committed
	p.State = bytes.Clone(p.State)
	return p
}

// Lent returns how many batches have not been released.
func (s *MemorySource) Lent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lent
}

// Parked returns the errors of the lanes that are parked.
func (s *MemorySource) Parked() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.parked)
}

// Revoke takes a lane away, waits until it has been let go and then lets it be served again. It does
// nothing if the lane is not being served.
func (s *MemorySource) Revoke(lane int) {
	s.mu.Lock()
	l := s.serving[lane]
	s.mu.Unlock()
	if l != nil {
		l.cancel()
		<-l.gone
	}
}

// signal wakes every lane that waits. It needs the lock.
func (s *MemorySource) signal() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Serve serves all lanes. A lane that is lost or revoked is served again from its last commit; one
// that ends with another error is parked.
func (s *MemorySource) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	var all sync.WaitGroup
	errs := make([]error, len(s.lanes))
	for i := range s.lanes {
		all.Go(func() { errs[i] = s.serveLane(ctx, i, serve) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *MemorySource) serveLane(ctx context.Context, i int, serve func(context.Context, pipeline.Lane) error) error {
	for {
		l := s.open(ctx, i)
		err := serve(l.ctx, l)
		revoked := l.ctx.Err() != nil
		s.letGo(l)
		switch {
		case errors.Is(err, pipeline.ErrLost), err == nil && revoked:
			if ctx.Err() != nil {
				return nil //nolint:nilerr // a lost lane is no error, and the run is over
			}
		case err == nil:
			return nil
		default:
			s.mu.Lock()
			s.parked = append(s.parked, err)
			s.mu.Unlock()
			if s.Live {
				<-ctx.Done()
				return nil
			}
			return err
		}
	}
}

func (s *MemorySource) open(ctx context.Context, i int) *memoryLane {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &memoryLane{source: s, index: i, names: s.lanes[i], gone: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(ctx)
	l.next = make([]int64, len(l.names))
	for j, name := range l.names {
		p := s.places[name].committed
		l.next[j] = p.Next
		p.State = bytes.Clone(p.State)
		if p.Next > 0 {
			l.begin = append(l.begin, p)
		}
	}
	s.serving[i] = l
	return l
}

func (s *MemorySource) letGo(l *memoryLane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.cancel()
	delete(s.serving, l.index)
	close(l.gone)
}

// memoryLane is one serving of a lane.
type memoryLane struct {
	source *MemorySource
	index  int
	names  []string
	ctx    context.Context
	cancel context.CancelFunc
	gone   chan struct{}
	begin  []pipeline.Position
	next   []int64 // per place; the reader's
	turn   int     // the place to read first; the reader's
}

func (l *memoryLane) Start() []pipeline.Position { return l.begin }

func (l *memoryLane) Read(ctx context.Context, limit int) (*pipeline.Batch, error) {
	s := l.source
	if s.OnRead != nil {
		if err := s.OnRead(ctx); err != nil {
			return nil, err
		}
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.mu.Lock()
		b, changed := l.take(limit), s.changed
		s.mu.Unlock()
		switch {
		case b != nil:
			return &b.lent, nil
		case !s.Live:
			return nil, io.EOF
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// take returns what is there, or nil. It needs the lock.
func (l *memoryLane) take(limit int) *batch {
	b := l.source.batch()
	for range l.names {
		j := l.turn
		l.turn = (l.turn + 1) % len(l.names)
		name, stored, first := l.names[j], l.source.places[l.names[j]].stored, l.next[j]
		for l.next[j] < int64(len(stored)) && b.room(l.source.MaxBatch, limit) {
			if m := stored[l.next[j]]; m != nil {
				b.add(m, pipeline.Origin{Place: name, Offset: l.next[j]})
			}
			l.next[j]++
		}
		if l.next[j] > first {
			b.lent.Ends = append(b.lent.Ends, pipeline.Position{Place: name, Next: l.next[j]})
		}
	}
	if len(b.lent.Ends) == 0 {
		l.source.free = append(l.source.free, b)
		return nil
	}
	l.source.lent++
	b.out = true
	return b
}

func (l *memoryLane) Commit(ctx context.Context, done *pipeline.Progress) error {
	s := l.source
	if s.OnCommit != nil {
		if err := s.OnCommit(ctx, done); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving[l.index] != l {
		panic("pipelinetest: commit of a lane that has been let go")
	}
	for _, p := range done.Places {
		at := s.places[p.Place]
		if !slices.Contains(l.names, p.Place) || p.Next < at.committed.Next || p.Last >= p.Next {
			panic(fmt.Sprintf("pipelinetest: commit of %s@%d, last %d, after @%d",
				p.Place, p.Next, p.Last, at.committed.Next))
		}
		p.State = bytes.Clone(p.State)
		at.committed = p
	}
	return nil
}
