package file

import (
	"context"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// An output of several inputs stays open from the first lane to Finish. No lane
// can end it, since it is not complete before all are.

// goOn gives the open output to the next lane.
func (s *Sink) goOn(from pipeline.Lane) (pipeline.Writer, error) {
	w := s.going
	if w.err != nil {
		return nil, w.markPassing(w.err)
	}
	w.lane, _ = from.(*lane)
	s.busy = true
	return w, nil
}

// letGo ends the lane of the output, and drops the messages that came without a
// position.
func (w *writer) letGo() error {
	w.err = w.dropRest()
	if ck := w.sink.opts.Checkpoint; ck != nil {
		w.err = errors.Join(w.err, ck.flushChanges())
	}
	s := w.sink
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy, s.begun = false, true
	return w.err
}

// finishSeveral ends an output after its last lane.
func (s *Sink) finishSeveral(ctx context.Context) error {
	w := s.going
	if w == nil {
		return nil
	}
	s.going = nil
	w.lane = nil
	err := w.endOutput(ctx, true)
	if err = errors.Join(err, w.out.close(err == nil)); err != nil {
		return markPassing(fmt.Errorf("sink %s: %w", s.opts.Path, err))
	}
	return nil
}

// Abandon gives up an output of Several that is not finished. With a checkpoint
// it stays, and the next run goes on with it.
func (s *Sink) Abandon() error {
	w := s.going
	if w == nil {
		return nil
	}
	s.going = nil
	if ck := s.opts.Checkpoint; ck != nil {
		ck.setOutput(s.opts.From, nil)
	}
	return w.out.close(false)
}
