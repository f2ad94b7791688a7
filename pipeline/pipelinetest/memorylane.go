package pipelinetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// memoryLane is one serving of a lane.
type memoryLane struct {
	source     *MemorySource
	index      int
	names      []string
	assignment *pipeline.Assignment
	begin      []pipeline.Position
	next       []int64 // per place; the reader's
	turn       int     // the place to read first; the reader's
	inSink     bool    // transactions carry the positions; needs the lock
}

func (s *MemorySource) openLane(i int, a *pipeline.Assignment) *memoryLane {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &memoryLane{source: s, index: i, names: s.lanes[i], assignment: a}
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
	delete(s.serving, l.index)
}

func (l *memoryLane) Assignment() *pipeline.Assignment { return l.assignment }

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
		b, changed := l.takeBatch(limit), s.changed
		ended := b == nil && !s.Live && l.isFinished()
		s.mu.Unlock()
		switch {
		case b != nil:
			return &b.lent, nil
		case ended:
			return nil, io.EOF
		}
		select {
		case <-changed:
		case <-l.assignment.Changed():
		case <-ctx.Done():
		}
	}
}

// isFinished tells whether every place is at its end or parked, and none is
// being tried. It needs the lock.
func (l *memoryLane) isFinished() bool {
	if l.assignment.AllParked() {
		return true
	}
	for j, name := range l.names {
		if l.next[j] < min(int64(len(l.source.places[name].stored)), l.assignment.Stop(name)) {
			return false
		}
	}
	return !l.assignment.IsTrying()
}

// takeBatch returns a batch of the messages that are there, or nil. It needs
// the lock.
func (l *memoryLane) takeBatch(limit int) *batch {
	b := l.source.newBatch()
	for range l.names {
		j := l.turn
		l.turn = (l.turn + 1) % len(l.names)
		l.takePlace(b, j, limit)
	}
	if len(b.lent.Ends) == 0 {
		l.source.free = append(l.source.free, b)
		return nil
	}
	l.source.lent++
	b.out = true
	return b
}

// takePlace takes the messages that are there of one place. Of a parked place
// that is due it takes one message.
func (l *memoryLane) takePlace(b *batch, j, limit int) {
	name, stored := l.names[j], l.source.places[l.names[j]].stored
	first, stop := l.next[j], min(l.assignment.Stop(l.names[j]), int64(len(l.source.places[l.names[j]].stored)))
	from, due := l.assignment.Due(name)
	trial := due && first >= l.assignment.Stop(name) && b.hasRoom(l.source.MaxBatch, limit)
	if trial {
		stop = int64(len(stored))
		if from.Next >= 0 {
			first = from.Next
		}
		if first >= stop {
			l.assignment.NoteEmpty(name)
			return
		}
		l.next[j] = first
	}
	for l.next[j] < stop && b.hasRoom(l.source.MaxBatch, limit) {
		at := l.next[j]
		l.next[j]++
		if m := stored[at]; m != nil {
			b.addMessage(m, pipeline.Origin{Place: name, Offset: at, Term: m.Origin.Term})
			if trial {
				break
			}
		}
	}
	if trial {
		l.assignment.Try(name)
		if from.Next >= 0 {
			b.lent.Starts = append(b.lent.Starts, from)
		}
	}
	if l.next[j] > first {
		b.lent.Ends = append(b.lent.Ends, pipeline.Position{Place: name, Next: l.next[j]})
	}
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
	if !l.inSink {
		l.notePositions(done.Places)
	}
	return nil
}

// notePositions moves places. It needs the lock.
func (l *memoryLane) notePositions(places []pipeline.Position) {
	for _, p := range places {
		at := l.source.places[p.Place]
		if !slices.Contains(l.names, p.Place) || p.Next < at.committed.Next || p.Last >= p.Next {
			panic(fmt.Sprintf("pipelinetest: commit of %s@%d, last %d, after @%d",
				p.Place, p.Next, p.Last, at.committed.Next))
		}
		p.State = bytes.Clone(p.State)
		at.committed = p
	}
	l.assignment.NoteMoved()
}
