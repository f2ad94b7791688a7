package pipelinetest

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// MemorySource is a Source with places in memory. Its batches are recycled: the
// memory that a batch lent is overwritten with 0xAA when it is released. The
// exported fields must not change while it serves.
//
// It panics if a batch is released twice, and if a position is committed that
// lies before the last one or is of another lane.
type MemorySource struct {
	// Live makes lanes wait for more at their end.
	Live bool
	// MaxBatch is the most messages in a batch; 0 leaves it to the read's
	// limit.
	MaxBatch int
	// OnRead is called before each read and may fail or block it; may be nil.
	OnRead func(ctx context.Context) error
	// OnCommit is called before each commit is noted and may fail it; may be
	// nil.
	OnCommit func(ctx context.Context, done *pipeline.Progress) error
	// Others says that other processes may hold places of the source too.
	Others bool

	lanes   [][]string // the places of each lane
	forgets bool       // a fault: each serving has an Assignment of its own

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when lanes have to look again
	places  map[string]*place
	held    map[int]*holding
	serving map[int]*memoryLane
	free    []*batch
	lent    int
}

// place holds the messages of one place; a nil message is a gap. Its offsets
// are 0, 1, 2 ...
type place struct {
	stored    []*pipeline.Message
	committed pipeline.Position
}

// NewSource returns a source with one lane per argument, which names the places
// of that lane.
func NewSource(lanes ...[]string) *MemorySource {
	s := &MemorySource{
		lanes:   lanes,
		changed: make(chan struct{}),
		places:  make(map[string]*place),
		held:    make(map[int]*holding),
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
		m := cloneMessage(&msgs[i])
		p.stored = append(p.stored, &m)
	}
	s.wakeLanes()
}

// PutGap stores a record in a place that takes an offset and is no message.
func (s *MemorySource) PutGap(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places[name].stored = append(s.places[name].stored, nil)
	s.wakeLanes()
}

// Committed returns the position of a place as last committed.
func (s *MemorySource) Committed(name string) pipeline.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[name].committed
	p.State = bytes.Clone(p.State)
	return p
}

// CountLent returns how many batches have not been released.
func (s *MemorySource) CountLent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lent
}

// Revoke takes the places of a lane away, waits until they have been let go and
// then lets them be held anew. It does nothing if the lane is not held.
func (s *MemorySource) Revoke(lane int) {
	s.mu.Lock()
	h := s.held[lane]
	s.mu.Unlock()
	if h != nil {
		h.revoke()
		<-h.gone
	}
}

// wakeLanes wakes every lane that waits. It needs the lock.
func (s *MemorySource) wakeLanes() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// HoldsAll implements pipeline.Source.
func (s *MemorySource) HoldsAll() bool { return !s.Others }

// holding is a lane's places for as long as nobody revokes them.
type holding struct {
	revoke context.CancelFunc
	gone   chan struct{}
}

// Serve serves all lanes. A lane that is lost is served again from its last
// commit, and so is one that is revoked, with a new Assignment.
func (s *MemorySource) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	var all sync.WaitGroup
	errs := make([]error, len(s.lanes))
	for i := range s.lanes {
		all.Go(func() { errs[i] = s.holdLane(ctx, i, serve) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (s *MemorySource) holdLane(ctx context.Context, i int, serve func(context.Context, pipeline.Lane) error) error {
	for {
		held, revoke := context.WithCancel(ctx)
		h := &holding{revoke: revoke, gone: make(chan struct{})}
		s.mu.Lock()
		s.held[i] = h
		s.mu.Unlock()
		a := pipeline.NewAssignment(s.lanes[i]...)
		err := a.Hold(held, !s.Live, func(ctx context.Context) error {
			l := s.openLane(i, a)
			if s.forgets {
				l.assignment = pipeline.NewAssignment(s.lanes[i]...)
			}
			defer s.letGo(l)
			return serve(ctx, l)
		})
		revoked := held.Err() != nil
		revoke()
		s.mu.Lock()
		delete(s.held, i)
		s.mu.Unlock()
		close(h.gone)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // uncommitted messages are read again
		case !revoked:
			return err
		}
	}
}
