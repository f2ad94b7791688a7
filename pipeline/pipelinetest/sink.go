package pipelinetest

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// MemorySink is a Sink in memory. The exported fields must not change while it
// is open. It panics when one of its writers is used by two goroutines at a
// time or after Close.
type MemorySink struct {
	// Atomic keeps messages back until their position has come; Close drops
	// those that have none.
	Atomic bool
	// OnOpen, OnWrite and OnClose are called before the sink does anything and
	// may fail or block it; any may be nil.
	OnOpen  func(ctx context.Context, lane pipeline.Lane) error
	OnWrite func(ctx context.Context, msgs []pipeline.Message, done *pipeline.Progress) error
	OnClose func(ctx context.Context) error
	// Refuse returns an error for a message that the sink does not take; see
	// pipeline.Writer. It may be nil.
	Refuse func(m *pipeline.Message) error
	// AfterWrite is called when a write has been stored, and may fail it all
	// the same: the outcome that a lost answer leaves. It may be nil.
	AfterWrite func(ctx context.Context, done *pipeline.Progress) error

	mu     sync.Mutex
	stored []pipeline.Message
	open   int
}

// Stored returns copies of the messages that are durable, in the order in which
// they became so.
func (s *MemorySink) Stored() []pipeline.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.stored)
}

// Len returns how many messages are durable.
func (s *MemorySink) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.stored)
}

// OpenWriters returns how many writers have not been closed.
func (s *MemorySink) OpenWriters() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// Open returns a writer.
func (s *MemorySink) Open(ctx context.Context, lane pipeline.Lane) (pipeline.Writer, error) {
	if s.OnOpen != nil {
		if err := s.OnOpen(ctx, lane); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	return &memoryWriter{sink: s}, nil
}

type memoryWriter struct {
	sink    *MemorySink
	busy    atomic.Bool
	closed  bool
	pending []pipeline.Message
}

func (w *memoryWriter) enter() {
	if !w.busy.CompareAndSwap(false, true) {
		panic("pipelinetest: writer used by two goroutines")
	}
	if w.closed {
		panic("pipelinetest: writer used after Close")
	}
}

func (w *memoryWriter) Write(ctx context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
	w.enter()
	defer w.busy.Store(false)
	s := w.sink
	if s.OnWrite != nil {
		if err := s.OnWrite(ctx, msgs, done); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	write, refused := splitRefused(msgs, s.Refuse, nil)
	for _, i := range write {
		w.pending = append(w.pending, cloneMessage(&msgs[i]))
	}
	if done != nil && refused == nil || !s.Atomic {
		s.mu.Lock()
		s.stored = append(s.stored, w.pending...)
		s.mu.Unlock()
		w.pending = nil
	}
	if refused != nil {
		return refused
	}
	if s.AfterWrite != nil {
		return s.AfterWrite(ctx, done)
	}
	return nil
}

func (w *memoryWriter) Close(ctx context.Context) error {
	w.enter()
	defer w.busy.Store(false)
	w.closed = true
	w.sink.mu.Lock()
	w.sink.open--
	w.sink.mu.Unlock()
	if w.sink.OnClose != nil {
		return w.sink.OnClose(ctx)
	}
	return nil
}

// FailNth returns a function that returns err on its nth call, counted from 1,
// and nil on all others.
func FailNth(n int64, err error) func() error {
	var calls atomic.Int64
	return func() error {
		if calls.Add(1) == n {
			return err
		}
		return nil
	}
}
