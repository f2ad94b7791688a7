package pipeline

import (
	"context"
	"errors"
	"io"
	"time"
)

// serving is one serving of a Lane. Its reader is the goroutine that the source
// called serve in; sink, dead, places and owed belong to the worker that has
// the turn.
type serving struct {
	*engine
	source     Lane
	assignment *Assignment
	turn       turn

	// Three contexts end one after the other: reading is done when the lane
	// fails or is told to end, grace some time after it was told to end.
	reading context.Context //nolint:containedctx // ends with this serving, as all its fields do
	stop    context.CancelFunc
	grace   context.Context //nolint:containedctx // the same

	offsets lastOffsets // the reader's
	sink    Writer
	dead    Writer // nil without dead letters
	places  lanePlaces
	owed    bool // dead was written to and has not got the position yet
	ends    []Position
	done    Progress
}

// runLane carries a lane's batches to its end and returns the result for the
// source: nil, ErrLost or why the lane cannot go on. In a trial of all places
// it reads one message first.
func runLane(ctx context.Context, e *engine, source Lane, start []Position, trial bool) error {
	s := &serving{engine: e, source: source, assignment: source.Assignment()}
	s.turn.init()
	grace, release := graceAfter(ctx, e.Grace)
	defer release()
	s.grace = grace
	s.reading, s.stop = context.WithCancel(ctx)
	defer s.stop()

	s.offsets.startAt(start)
	s.places.newGate = e.NewGate
	for i := range start {
		s.startPlace(start[i])
	}
	if err := s.openWriters(); err != nil {
		return s.judgeEnd(ctx, err)
	}
	s.assignment.noteOpen()
	err := s.judgeEnd(ctx, s.readLane(trial))
	closing := s.judgeEnd(ctx, s.closeWriters())
	if closing == nil || errors.Is(err, closing) { // a transaction repeats it
		return err
	}
	return errors.Join(err, closing)
}

// graceAfter returns a context that is done d after ctx is.
func graceAfter(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	grace, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-grace.Done():
		}
	})
	return grace, func() { stop(); cancel() }
}

// openWriters opens the lane's writers, or none of them.
func (s *serving) openWriters() (err error) {
	if s.sink, err = s.Sink.Open(s.reading, s.source); err != nil {
		return err
	}
	if s.DeadLetters == nil {
		return nil
	}
	if s.dead, err = s.DeadLetters.Open(s.reading, s.source); err != nil {
		return errors.Join(err, s.sink.Close(s.grace))
	}
	return nil
}

// closeWriters closes the writers, that of the dead letters first: a pointer to
// a message must not be lost when the position behind it is kept.
func (s *serving) closeWriters() error {
	var dead error
	if s.dead != nil {
		dead = s.dead.Close(s.grace)
	}
	return errors.Join(dead, s.sink.Close(s.grace))
}

// readLane hands the lane's batches to workers in read order, waits for all of
// them and returns why it ended.
func (s *serving) readLane(trial bool) error {
	var ticket uint64
	var end error
	for end == nil {
		limit := s.ReadAhead
		if trial {
			limit = 1
		}
		var batch *Batch
		read := Step{Began: s.readClock()}
		if batch, end = s.source.Read(s.reading, limit); end != nil {
			break
		}
		read.Ended = s.readClock()
		s.offsets.noteBatch(batch)
		if end = s.handBatch(batch, ticket, read); end != nil {
			batch.release()
			break
		}
		ticket++
		if trial {
			if end = s.turn.waitFor(ticket); end == nil {
				trial = false
				s.assignment.goOnAll()
			}
		}
	}
	if errors.Is(end, ErrLost) {
		s.turn.failLane(end) // the other owner writes the messages in flight
		s.stop()
	}
	// The end waits for its turn as a batch does, and an error before it comes
	// first.
	if err := s.turn.waitFor(ticket); err != nil {
		return err
	}
	return end
}

// handBatch gives a batch to a worker, once the lane may hold another one and a
// worker is idle. The batch waits here, so that a lane with workers that write
// has read the batch that comes next.
func (s *serving) handBatch(batch *Batch, ticket uint64, read Step) error {
	if err := s.turn.takeRoom(s.reading, s.share); err != nil {
		return err
	}
	memory, err := s.takeBuffers(s.reading)
	if err != nil {
		s.turn.giveRoom()
		return err
	}
	s.jobs <- job{serving: s, batch: batch, memory: memory, ticket: ticket, read: read}
	return nil
}

// judgeEnd turns an end that nobody has to act on into nil.
func (s *serving) judgeEnd(ctx context.Context, err error) error {
	switch {
	case err == nil || err == io.EOF: // wrapped, it is a broken connection
		return nil
	case errors.Is(err, ErrLost):
		return err
	case s.grace.Err() != nil && endedBy(s.grace, err):
		s.Log.Warn("grace is over, uncommitted work is dropped", "error", err)
		return nil
	case ctx.Err() != nil && endedBy(ctx, err):
		return nil
	}
	return err
}

func (b *Batch) release() {
	if b.Release != nil {
		b.Release()
	}
}
