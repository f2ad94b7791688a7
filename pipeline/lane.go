package pipeline

import (
	"context"
	"errors"
	"io"
	"time"
)

// lane is one served Lane. Its reader is the goroutine that the source called serve in; sink, dead,
// gates and owed belong to the worker whose turn it is.
type lane struct {
	*engine
	source Lane
	turn   turn

	// Three contexts end one after the other: reading is done when the lane fails or is told to end,
	// grace some time after it was told to end.
	reading context.Context
	stop    context.CancelFunc
	grace   context.Context

	previous previous // the reader's
	sink     Writer
	dead     Writer // nil without dead letters
	gates    gates
	owed     bool // dead was written to and has not got the position yet
	done     Progress
}

// serveLane carries a lane's batches to its end and returns what the source must know: nil, ErrLost or
// why the lane cannot go on.
func serveLane(ctx context.Context, e *engine, source Lane) error {
	l := &lane{engine: e, source: source}
	l.turn.init()
	grace, release := graceAfter(ctx, e.Grace)
	defer release()
	l.grace = grace
	l.reading, l.stop = context.WithCancel(ctx)
	defer l.stop()

	start := source.Start()
	l.previous.start(start)
	if err := l.gates.start(e.NewGate, start); err != nil {
		return err
	}
	if err := l.open(); err != nil {
		return l.verdict(ctx, err)
	}
	err := l.verdict(ctx, l.read())
	if closing := l.verdict(ctx, l.close()); closing != nil {
		return errors.Join(err, closing)
	}
	return err
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

// open opens the lane's writers, or none of them.
func (l *lane) open() (err error) {
	if l.sink, err = l.Sink.Open(l.reading, l.source); err != nil {
		return err
	}
	if l.DeadLetters == nil {
		return nil
	}
	if l.dead, err = l.DeadLetters.Open(l.reading, l.source); err != nil {
		return errors.Join(err, l.sink.Close(l.grace))
	}
	return nil
}

// close closes the writers, that of the dead letters first: a pointer to a message must not be lost
// when the position behind it is kept.
func (l *lane) close() error {
	var dead error
	if l.dead != nil {
		dead = l.dead.Close(l.grace)
	}
	return errors.Join(dead, l.sink.Close(l.grace))
}

// read hands the lane's batches to workers in read order, waits for all of them and returns why it
// ended.
func (l *lane) read() error {
	var ticket uint64
	var end error
	for end == nil {
		var batch *Batch
		if batch, end = l.source.Read(l.reading, l.ReadAhead); end != nil {
			break
		}
		l.previous.note(batch)
		if end = l.hand(batch, ticket); end != nil {
			batch.release()
			break
		}
		ticket++
	}
	if errors.Is(end, ErrLost) {
		l.turn.fail(end) // what is in flight is the other owner's to write
		l.stop()
	}
	// The end waits for its turn as a batch does, and an error before it comes first.
	if err := l.turn.wait(ticket); err != nil {
		return err
	}
	return end
}

// hand gives a batch to a worker, once the lane may hold another one and a worker is idle. The batch waits here, so that
// a lane whose workers write has read what comes next.
func (l *lane) hand(batch *Batch, ticket uint64) error {
	if err := l.turn.room(l.reading, l.share); err != nil {
		return err
	}
	select {
	case l.jobs <- job{lane: l, batch: batch, ticket: ticket}:
		return nil
	case <-l.reading.Done():
		l.turn.leave()
		return context.Cause(l.reading)
	}
}

// verdict turns an end that nobody has to act on into nil.
func (l *lane) verdict(ctx context.Context, err error) error {
	switch {
	case err == nil || err == io.EOF: // a wrapped io.EOF is a connection that broke
		return nil
	case errors.Is(err, ErrLost):
		return err
	case l.grace.Err() != nil && endedBy(l.grace, err):
		l.Log.Warn("grace is over, uncommitted work is dropped", "error", err)
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
