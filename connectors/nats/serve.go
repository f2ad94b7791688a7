package nats

import (
	"context"
	"errors"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// HoldsAll implements pipeline.Source. A shared consumer may have other
// processes, and the server does not tell.
func (s *Source) HoldsAll() bool {
	return !s.Shared && (s.lease == nil || s.lease.checkOwner() == nil)
}

// Serve serves the one lane until ctx is done, or the bounded run has ended. It
// waits until this process is the owner of the consumer. A lane that was lost
// is served again. One that failed in an unbounded run keeps the messages that
// its reader had taken until it is served again or ctx is done, so that no
// other process has to fail on the same message.
func (s *Source) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	defer s.closeConsumer()
	if s.lease != nil {
		defer s.lease.release()
	}
	defer s.stopHearing()
	held := pipeline.NewAssignment(s.Stream)
	var failed *lane
	closeFailed := func(final bool) {
		if failed != nil {
			failed.close(final)
			failed = nil
		}
	}
	defer closeFailed(true)
	err := held.Hold(ctx, s.UntilEnd, func(ctx context.Context) error {
		closeFailed(false)
		if err := s.prepare(ctx); err != nil {
			return err
		}
		if err := s.prepareGivenUp(ctx); err != nil {
			return err
		}
		l := newLane(s, held)
		err := s.serveLane(ctx, l, serve)
		if ctx.Err() == nil && err != nil && !errors.Is(err, pipeline.ErrLost) && !s.UntilEnd {
			l.stopReads()
			failed = l
			return err
		}
		l.close(ctx.Err() != nil || !errors.Is(err, pipeline.ErrLost))
		if l.moved {
			held.NoteMoved()
		}
		return err
	})
	if err == nil {
		err = s.resultOfRun(ctx)
	}
	return err
}

// serveLane serves the lane.
func (s *Source) serveLane(ctx context.Context, l *lane, serve func(context.Context, pipeline.Lane) error) (err error) {
	if s.Announce != nil {
		s.Announce(s.Stream)
	}
	defer l.watchGivenUp(ctx)()
	if s.Observer != nil {
		ended := s.Observer.ServeLane(l.reportPlaces)
		defer func() { ended(err) }()
	}
	return serve(ctx, l)
}
