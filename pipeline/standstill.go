package pipeline

import "time"

const (
	// firstRetry is how long a parked place waits before it is tried again;
	// each wait is twice as long as the one before, up to lastRetry.
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// standstill is why and where one place, or all places of an assignment, stand
// still. The zero standstill moves.
type standstill struct {
	err error // nil if it moves
	// at is where reading goes on. Its Next is -1 where that is not known: then
	// it is the position at which the next serving begins.
	at    Position
	tries int
	due   time.Time   // when it may be tried again; zero if never
	timer *time.Timer // wakes the reader then
	trial bool        // it is being tried
	ended time.Time   // when the last standstill was over
	// resumed says that a person has resumed it, and again where a place goes
	// on of which nothing was there to be tried.
	resumed bool
	again   *Position
}

// park notes that something stands still because of err. wake is called when it
// may be tried again. It reports whether it moved before.
func (s *standstill) park(err error, wake func()) bool {
	moved := s.err == nil
	if moved && time.Since(s.ended) >= lastRetry {
		s.tries = 0 // sooner, the cause may never have been gone
	}
	s.stopTimer()
	s.err, s.trial, s.resumed, s.again = err, false, false, nil
	if MayPass(err) {
		s.postpone(wake)
	}
	return moved
}

// postpone makes it due after a wait, which is longer each time.
func (s *standstill) postpone(wake func()) {
	wait := min(firstRetry<<min(s.tries, 10), lastRetry)
	s.tries++
	s.due, s.timer = time.Now().Add(wait), time.AfterFunc(wait, wake)
}

// isDue tells whether it stands still and may be tried again.
func (s *standstill) isDue() bool {
	return s.err != nil && !s.trial && !s.due.IsZero() && !time.Now().Before(s.due)
}

// goOn ends the standstill.
func (s *standstill) goOn() {
	s.stopTimer()
	s.err, s.at, s.trial, s.resumed, s.ended = nil, Position{}, false, false, time.Now()
}

// resume makes a standstill due, although its cause does not pass.
func (s *standstill) resume() {
	s.stopTimer()
	s.due, s.resumed = time.Now(), true
}

func (s *standstill) stopTimer() {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.due, s.timer = time.Time{}, nil
}
