package route

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/transform"
)

const (
	// DefaultBreaker is the Config.Breaker of a route that decrypts.
	DefaultBreaker = "10/60s"
	noBreaker      = "off"
)

// readBreaker reads the limits of the breaker: N/TIME.
func (p *plan) readBreaker() error {
	p.resume = make(chan struct{}, 1)
	text := p.Breaker
	if p.do != decrypt {
		if text != "" || p.Resume {
			return errors.New("breaker: it is for a route that decrypts")
		}
		return nil
	}
	if text == "" {
		text = DefaultBreaker
	}
	if text == noBreaker {
		return nil
	}
	number, window, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(number)
	d, err2 := time.ParseDuration(window)
	if err != nil || err2 != nil || n < 1 || n > transform.MaxBreakerLimit ||
		d < time.Second || d > transform.MaxBreakerWindow {
		return hint.New(fmt.Sprintf("breaker %q: not N/TIME, with 1 to %d refusals within 1s to %v",
			text, transform.MaxBreakerLimit, transform.MaxBreakerWindow), "write --breaker "+DefaultBreaker+", or off")
	}
	p.breaker = &transform.Breaker{Limit: n, Window: d}
	if p.Resume {
		p.breaker.Resume(time.Now())
	}
	return nil
}

// HasBreaker tells whether Resume can be needed.
func (r *Route) HasBreaker() bool {
	resumable, ok := r.job.(*records)
	return ok && resumable.breaker != nil
}

// Resume has the places go on that the breaker has stopped. A route without a
// breaker does nothing.
func (r *Route) Resume() {
	if !r.HasBreaker() {
		return
	}
	resumable := r.job.(*records)
	resumable.breaker.Resume(time.Now())
	select {
	case resumable.resume <- struct{}{}:
	default: // a resume that has not begun yet does this one's work
	}
}

// markBreaker makes the error of a run that an open breaker has ended match
// ErrBreakerOpen.
func markBreaker(err error) error {
	if blocked, ok := errors.AsType[*transform.BreakerError](err); ok && blocked != nil {
		return &breakerError{err}
	}
	return err
}

type breakerError struct{ err error }

func (e *breakerError) Error() string { return e.err.Error() }

// Unwrap implements the interface of package errors.
func (e *breakerError) Unwrap() []error { return []error{ErrBreakerOpen, e.err} }
