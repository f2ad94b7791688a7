package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// Pauses are the waits between tries of a request.
var Pauses = retry.Policy{First: 4 * time.Millisecond, Longest: time.Second}

// shortPauses are those for a transaction that has to wait for the end of the
// last one, which takes a few milliseconds.
var shortPauses = retry.Policy{First: 4 * time.Millisecond, Longest: 32 * time.Millisecond}

// quietFor returns how long tries stay out of the log. A coordinator that ends
// the last transaction says so for as long as its brokers need, which is daily
// business.
func quietFor(err error) time.Duration {
	if errors.Is(err, kafkago.ConcurrentTransactions) {
		return 10 * time.Second
	}
	return 2 * time.Second
}

const (
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
	cluster *Cluster
	what    string // for errors and the log
	waits   *retry.Waits
	short   *retry.Waits
	tries   int
	began   time.Time // when the first try had failed
	report  time.Time // when the next try is logged

	stuck      bool      // people were told
	stuckAgain time.Time // when they are told again
	explain    func(ctx context.Context) (attrs []any)
}

// NewRetry returns a Retry before its first try. The name stands in errors and
// the log.
func (c *Cluster) NewRetry(name string) *Retry {
	return &Retry{cluster: c, what: name, waits: Pauses.Begin(), short: shortPauses.Begin()}
}

// Tries returns the number of tries before this one.
func (r *Retry) Tries() int { return r.tries }

// Reset forgets the tries so far, since one went well.
func (r *Retry) Reset() {
	if r.tries == 0 {
		return
	}
	r.endStuck()
	r.waits.Reset()
	r.short.Reset()
	r.tries, r.report = 0, time.Time{}
}

// Wait decides about the error of a try. It returns nil if another try is due,
// once it is; otherwise an error that wraps err.
func (r *Retry) Wait(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		r.endStuck()
		return fmt.Errorf("%s: %w (%w)", r.what, context.Cause(ctx), err)
	}
	if JudgeError(err) != Again {
		r.endStuck()
		return fmt.Errorf("%s: %w", r.what, err)
	}
	now := time.Now()
	if r.tries == 0 {
		r.began, r.report = now, now.Add(quietFor(err))
	}
	switch {
	case r.reportStuck(ctx, err, now):
	case now.After(r.report):
		r.report = now.Add(reminder)
		r.cluster.log.Warn("kafka: trying again", "what", r.what, "attempt", r.tries, "error", err)
	}
	if o := r.cluster.options.Observer; o != nil {
		o.RetryRequest(r.what, err)
	}
	waits := r.waits
	if errors.Is(err, kafkago.ConcurrentTransactions) {
		waits = r.short
	}
	if waits.Wait(ctx) != nil {
		r.endStuck()
		return fmt.Errorf("%s: %w (%w)", r.what, context.Cause(ctx), err)
	}
	r.tries++
	return nil
}
