package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

const (
	// exchangeTimeout is how long a request to create a topic may take until the topic is seen.
	exchangeTimeout = 10 * time.Second
	minBackoff      = 4 * time.Millisecond
	maxBackoff      = time.Second
	// patience is how many tries stay out of the log: about two seconds.
	patience = 10
)

// pause waits before try number attempt+1. It returns ctx's error if that is done first.
func pause(ctx context.Context, attempt int) error {
	d := min(minBackoff<<min(attempt, 20), maxBackoff)
	d = d/2 + rand.N(d)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retrier tries something again for as long as its errors say so.
type retrier struct {
	what    string // for errors and the log
	log     *slog.Logger
	attempt int
}

// after decides about the error of a try: nil says to try again, and comes when it is time to.
func (r *retrier) after(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w (%w)", r.what, context.Cause(ctx), err)
	}
	if judge(err) != again {
		return fmt.Errorf("%s: %w", r.what, err)
	}
	if r.attempt > 0 && r.attempt%patience == 0 {
		r.log.Warn("kafka: trying again", "what", r.what, "attempt", r.attempt, "error", err)
	}
	level := r.attempt
	if errors.Is(err, kafkago.ConcurrentTransactions) {
		level /= 4 // the last transaction ends in a few milliseconds
	}
	if pause(ctx, level) != nil {
		return fmt.Errorf("%s: %w (%w)", r.what, context.Cause(ctx), err)
	}
	r.attempt++
	return nil
}

// within calls do with a deadline.
func within(ctx context.Context, d time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return do(ctx)
}
