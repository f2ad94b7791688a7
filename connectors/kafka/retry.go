package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	// exchangeTimeout is how long one request may take before it is sent again, long polls included.
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
	if pause(ctx, r.attempt) != nil {
		return fmt.Errorf("%s: %w (%w)", r.what, context.Cause(ctx), err)
	}
	r.attempt++
	return nil
}

// retry calls do, each time with a deadline of its own, until it succeeds, fails for good or ctx is done.
func retry(ctx context.Context, log *slog.Logger, what string, do func(context.Context) error) error {
	r := retrier{what: what, log: log}
	for {
		err := within(ctx, exchangeTimeout, do)
		if err == nil {
			return nil
		}
		if err := r.after(ctx, err); err != nil {
			return err
		}
	}
}

func within(ctx context.Context, d time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return do(ctx)
}
