package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// Pauses are the waits between tries of a request.
var Pauses = retry.Policy{First: 4 * time.Millisecond, Longest: time.Second}

// shortPauses are those for a transaction that has to wait for the end of the
// last one, which takes a few milliseconds.
var shortPauses = retry.Policy{First: 4 * time.Millisecond, Longest: 32 * time.Millisecond}

const (
	// quiet is how long tries stay out of the log.
	quiet = 2 * time.Second
	// reminder is how often they are logged after that.
	reminder = 10 * time.Second
)

// Observer is told about requests that are tried again.
type Observer interface {
	// RetryRequest is called before each wait for another try, with the name of
	// the request and the error of the last try. It is called by several
	// goroutines and must not block.
	RetryRequest(name string, err error)
}

// Retry tries one request again for as long as the errors say that this helps.
// It is used by one goroutine.
type Retry struct {
	what     string // for errors and the log
	log      *slog.Logger
	observer Observer
	waits    *retry.Waits
	short    *retry.Waits
	tries    int
	report   time.Time // when the next try is logged
}

// NewRetry returns a Retry before its first try. The name stands in errors and
// the log.
func (c *Cluster) NewRetry(name string) *Retry {
	return &Retry{
		what: name, log: c.log, observer: c.options.Observer,
		waits: Pauses.Begin(), short: shortPauses.Begin(),
	}
}

// Tries returns the number of tries before this one.
func (r *Retry) Tries() int { return r.tries }

// Reset forgets the tries so far, since one went well.
func (r *Retry) Reset() {
	if r.tries == 0 {
		return
	}
	r.waits.Reset()
	r.short.Reset()
	r.tries, r.report = 0, time.Time{}
}

// Wait decides about the error of a try. It returns nil if another try is due,
// once it is; otherwise an error that wraps err.
func (r *Retry) Wait(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w (%w)", r.what, context.Cause(ctx), err)
	}
	if JudgeError(err) != Again {
		return fmt.Errorf("%s: %w", r.what, err)
	}
	switch now := time.Now(); {
	case r.tries == 0:
		r.report = now.Add(quiet)
	case now.After(r.report):
		r.report = now.Add(reminder)
		r.log.Warn("kafka: trying again", "what", r.what, "attempt", r.tries, "error", err)
	}
	if r.observer != nil {
		r.observer.RetryRequest(r.what, err)
	}
	waits := r.waits
	if errors.Is(err, kafkago.ConcurrentTransactions) {
		waits = r.short
	}
	if waits.Wait(ctx) != nil {
		return fmt.Errorf("%s: %w (%w)", r.what, context.Cause(ctx), err)
	}
	r.tries++
	return nil
}
