package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Transactions is a Sink in memory that stores messages, dead letters and the
// positions of a MemorySource together, in one transaction of each lane after
// the other. A transaction that is taken back ends its lane with ErrLost. The
// exported fields must not change while the sink is open.
type Transactions struct {
	// Source is where the lanes come from.
	Source *MemorySource
	// Full tells after each position whether the transaction is to be closed;
	// nil closes it each time.
	Full func() bool
	// OnWrite may fail or block a write, OnCommit the end of a transaction; an
	// error takes the transaction back. Either may be nil.
	OnWrite, OnCommit func(ctx context.Context) error
	// Refuse returns an error for a message that is not taken, Ahead whether
	// one that stands behind a refused one of its place is written all the
	// same. Either may be nil.
	Refuse func(m *pipeline.Message) error
	Ahead  func(m *pipeline.Message) bool

	mu      sync.Mutex
	open    map[*memoryLane]*transaction
	stored  []pipeline.Message
	letters []pipeline.Message
	aborted int
}

// transaction is the work of a lane since its last transaction ended.
type transaction struct {
	messages, letters []pipeline.Message
	positions         []pipeline.Position
	step              bool // something was written that has no position yet
	over              error
}

// Stored returns copies of the messages that are durable, and of the dead
// letters.
func (s *Transactions) Stored() (messages, letters []pipeline.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]pipeline.Message(nil), s.stored...), append([]pipeline.Message(nil), s.letters...)
}

// Aborted returns how many transactions were taken back that held something.
func (s *Transactions) Aborted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.aborted
}

// Open implements pipeline.Sink.
func (s *Transactions) Open(_ context.Context, lane pipeline.Lane) (pipeline.Writer, error) {
	return &transactionWriter{sink: s, lane: s.join(lane), positions: true}, nil
}

// DeadLetters returns a Sink of dead letters in the same transactions.
func (s *Transactions) DeadLetters() pipeline.Sink { return letterSink{s} }

type letterSink struct{ *Transactions }

func (s letterSink) Open(_ context.Context, lane pipeline.Lane) (pipeline.Writer, error) {
	return &transactionWriter{sink: s.Transactions, lane: s.join(lane)}, nil
}

// join makes the transactions of a lane carry its positions.
func (s *Transactions) join(lane pipeline.Lane) *memoryLane {
	l := lane.(*memoryLane)
	l.source.mu.Lock()
	l.inSink = true
	l.source.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[*memoryLane]*transaction)
	}
	if s.open[l] == nil {
		s.open[l] = new(transaction)
	}
	return l
}

type transactionWriter struct {
	sink      *Transactions
	lane      *memoryLane
	positions bool // not of dead letters
}

func (w *transactionWriter) Write(ctx context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
	s := w.sink
	s.mu.Lock()
	t := s.open[w.lane]
	s.mu.Unlock()
	if t.over != nil {
		return t.over
	}
	if s.OnWrite != nil {
		if err := s.OnWrite(ctx); err != nil {
			return w.takeBack(t, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return w.takeBack(t, err)
	}
	if !w.positions {
		for i := range msgs {
			t.letters = append(t.letters, cloneMessage(&msgs[i]))
		}
		t.step = t.step || len(msgs) > 0
		return nil
	}
	write, refused := splitRefused(msgs, s.Refuse, s.Ahead)
	for _, i := range write {
		t.messages = append(t.messages, cloneMessage(&msgs[i]))
	}
	if refused != nil {
		refused.Undoable = true
		t.step = true
		return refused
	}
	if done == nil {
		t.step = t.step || len(msgs) > 0
		return nil
	}
	t.step = false
	for _, p := range done.Places {
		p.State = append([]byte(nil), p.State...)
		t.positions = append(t.positions, p)
	}
	if s.Full == nil || s.Full() {
		return w.commit(ctx, t)
	}
	return nil
}

// takeBack aborts the transaction.
func (w *transactionWriter) takeBack(t *transaction, err error) error {
	w.sink.mu.Lock()
	defer w.sink.mu.Unlock()
	if len(t.messages)+len(t.letters) > 0 {
		w.sink.aborted++
	}
	*t = transaction{over: fmt.Errorf("%w: %w", pipeline.ErrLost, err)}
	return t.over
}

// commit makes the transaction durable.
func (w *transactionWriter) commit(ctx context.Context, t *transaction) error {
	s := w.sink
	if s.OnCommit != nil {
		if err := s.OnCommit(ctx); err != nil {
			return w.takeBack(t, err)
		}
	}
	l := w.lane
	l.source.mu.Lock()
	defer l.source.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.source.serving[l.index] != l {
		panic("pipelinetest: transaction of a lane that has been let go")
	}
	l.notePositions(t.positions)
	s.stored, s.letters = append(s.stored, t.messages...), append(s.letters, t.letters...)
	*t = transaction{}
	return nil
}

// Close commits a transaction that has its position, and takes back one with a
// message that has none.
func (w *transactionWriter) Close(ctx context.Context) error {
	if !w.positions {
		return nil
	}
	w.sink.mu.Lock()
	t := w.sink.open[w.lane]
	w.sink.mu.Unlock()
	defer func() {
		w.sink.mu.Lock()
		defer w.sink.mu.Unlock()
		delete(w.sink.open, w.lane)
	}()
	switch {
	case t.over != nil:
		return t.over
	case t.step:
		return w.takeBack(t, errors.New("closed before the position of its messages"))
	}
	return w.commit(ctx, t)
}
