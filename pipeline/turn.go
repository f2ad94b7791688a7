package pipeline

import (
	"context"
	"sync"
)

// turn orders the batches of one lane and bounds how many of them there are.
// The lane numbers its batches in read order, and the workers that hold them
// are let through one after the other.
//
// A worker waits only for tickets that were drawn before its own, and each of
// those belongs to a worker already, so waiting always ends.
type turn struct {
	mu     sync.Mutex
	moved  sync.Cond
	ticket uint64 // that has the turn
	held   int    // batches that workers hold
	err    error  // why the lane ends; nothing is written after it
}

func (t *turn) init() { t.moved.L = &t.mu }

// takeRoom waits until the lane holds fewer batches than share allows, and
// takes a place among them. It needs no wake-up for a share that grows or a ctx
// that is done: while it waits the lane holds a batch, and the end of that
// batch wakes it.
func (t *turn) takeRoom(ctx context.Context, share func() int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.held >= share() && ctx.Err() == nil {
		t.moved.Wait()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	t.held++
	return nil
}

// waitFor returns when it is the ticket's turn, with the error that has ended
// the lane, if any.
func (t *turn) waitFor(ticket uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.ticket != ticket {
		t.moved.Wait()
	}
	return t.err
}

// giveRoom gives back a place that was taken for a batch which no worker got.
func (t *turn) giveRoom() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held--
}

// endTurn ends the current turn and gives its place in the lane back.
func (t *turn) endTurn() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ticket++
	t.held--
	t.moved.Broadcast()
}

// failLane ends the lane with err unless something else has.
func (t *turn) failLane(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
}

// endLane ends the lane: batches behind the one in hand are dropped, and no
// more are read. It needs the turn.
func (w *worker) endLane(err error) {
	w.over = err
	w.serving.turn.failLane(err)
	w.serving.stop()
}
