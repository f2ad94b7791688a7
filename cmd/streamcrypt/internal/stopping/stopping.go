// Package stopping decides the meaning of a signal to end. The first one ends a
// context, so that the work in flight is finished. One that comes within a
// second of it is the same signal: a terminal signals a whole group of
// processes, timeout(1) and supervisors signal the process and its group, and a
// closing session sends SIGHUP and SIGTERM. A later one means that somebody has
// lost patience.
//
// The package must not know the work that ends, nor install a handler.
package stopping

import (
	"os"
	"sync"
	"time"
)

// Same is how long after a signal another one is the same.
const Same = time.Second

// Stopper counts signals. Its functions are called by one goroutine at a time.
type Stopper struct {
	first, again func(os.Signal)

	mu    sync.Mutex
	begun time.Time // when the first signal came
}

// New returns a Stopper that calls first for the first signal, and again for
// one that comes later than Same behind it.
func New(first, again func(os.Signal)) *Stopper { return &Stopper{first: first, again: again} }

// HandleSignal takes one signal.
func (s *Stopper) HandleSignal(sig os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.begun.IsZero():
		s.begun = time.Now()
		s.first(sig)
	case time.Since(s.begun) > Same:
		s.again(sig)
	}
}

// HandleAll takes signals until the channel is closed.
func (s *Stopper) HandleAll(signals <-chan os.Signal) {
	for sig := range signals {
		s.HandleSignal(sig)
	}
}
