package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Hold serves the lane of an Assignment for as long as its places are held:
// until ctx is done, or the lane has come to its end. once makes the lane,
// calls serve with it, lets it go and returns the error that serve returned. A
// lane without an end that cannot be made is served as one that cannot be read.
//
// A lane that was lost is served again after a pause. One that was lost 20
// times in a row without NoteMoved, or that ended with another error, has
// parked its places. If they are to be tried again the lane is served when they
// are due, and else Hold waits for ctx: places that are not read are still
// held, so that nobody else has to fail on the same message. A bounded run does
// not wait.
//
// Hold returns the last error of once, but for one that has parked places: the
// run tells of those. When ctx is done the places are not ours any more; a lane
// that was not served at all returns the error of ctx.
func (a *Assignment) Hold(ctx context.Context, bounded bool, once func(context.Context) error) (err error) {
	err = ctx.Err()
	for ctx.Err() == nil {
		switch err = once(ctx); {
		case ctx.Err() != nil:
		case err == nil:
			return nil
		case errors.Is(err, ErrLost):
			if times := a.lose(err); times > 0 {
				pauseAfter(ctx, times)
			} else if bounded {
				return nil
			}
		default:
			if !a.isParkedWhole() { // the error came before serve, or after it
				a.parkAll(err)
			}
			if bounded && a.servedBy() == nil {
				return err // no run knows of it
			}
			if bounded {
				return nil
			}
			a.awaitTrial(ctx)
		}
	}
	a.release()
	return err
}

// isParkedWhole tells whether all places are parked and not due.
func (a *Assignment) isParkedWhole() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.whole.err != nil && !a.whole.trial && !a.whole.isDue()
}

// awaitTrial waits until the places may be tried again, or ctx is done.
func (a *Assignment) awaitTrial(ctx context.Context) {
	for {
		a.mu.Lock()
		due := a.whole.isDue()
		a.mu.Unlock()
		if due {
			return
		}
		select {
		case <-a.changed:
		case <-ctx.Done():
			return
		}
	}
}

const (
	firstPause = 10 * time.Millisecond
	lastPause  = 500 * time.Millisecond
)

// pauseAfter waits before a lane that was lost is served again: longer each
// time, less up to a half at random, and not beyond ctx.
func pauseAfter(ctx context.Context, times int) {
	most := min(firstPause<<min(times, 10), lastPause)
	timer := time.NewTimer(most/2 + rand.N(most/2))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// maxLosses is how many times in a row a lane may be lost without having
// committed anything before its places count as parked.
const maxLosses = 20

// lose is called when the lane was lost. It returns how often in a row, or 0 if
// the places were parked because that is too often.
func (a *Assignment) lose(err error) (times int) {
	a.mu.Lock()
	if a.tried.Load() == 0 || a.losses == 0 {
		a.losses++ // else the place that is being tried is to blame
	}
	times = a.losses
	a.whole.trial = false
	a.stopQuiet()
	a.endTrials()
	if times >= maxLosses {
		a.losses = 0
	}
	a.mu.Unlock()
	if times < maxLosses {
		return times
	}
	a.parkEach(Passing(&lossError{times, err}))
	return 0
}

// lossError is the cause of places that are parked because their lane was lost
// again and again. It is no ErrLost itself.
type lossError struct {
	times int
	last  error
}

func (e *lossError) Error() string {
	return fmt.Sprintf("lost %d times in a row, at last because: %v", e.times, e.last)
}
