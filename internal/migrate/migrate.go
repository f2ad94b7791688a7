// Package migrate watches over the route of a migration: it says when the
// envelopes have caught up with the plaintext, has both sides compared up to
// that point, and goes on while the route follows.
//
// It keeps nothing. The positions of the route are with the brokers, so that a
// migration which is started again goes on there, says once more that it has
// caught up, and compares once more.
//
// The package must not know ends, keys, nor where its words appear.
package migrate

import (
	"context"
	"errors"
	"time"
)

// Place is how far the route is in one place of the plaintext.
type Place struct {
	Name string `json:"place"`
	// Position is the offset that the route reads next; below zero if it has
	// committed none.
	Position int64 `json:"position"`
	// First is the offset of the first message that is there, and End the one
	// behind the last.
	First int64 `json:"first"`
	End   int64 `json:"end"`
}

// countLag returns how many offsets lie before the end.
func (p *Place) countLag() int64 { return max(0, p.End-max(p.Position, p.First)) }

// Options are everything that a migration needs.
type Options struct {
	// Carry runs the route until its context ends.
	Carry func(ctx context.Context) error
	// Measure asks the brokers for positions and ends.
	Measure func(ctx context.Context) ([]Place, error)
	// Compare compares both sides up to the given positions.
	Compare func(ctx context.Context, until map[string]int64) (Verdict, error)
	// Tell is told of each step. It is called by one goroutine at a time.
	Tell func(Event)
	// Doubt is told why positions and ends are not known, once until they are
	// known again. It is called by the goroutine of Tell.
	Doubt func(err error)
	// Near is the lag at which the route has caught up, in offsets of all
	// places together.
	Near int64
	// Every is the time between two measurements.
	Every time.Duration
	// End has the migration end when both sides have been compared.
	End bool
}

// Verdict is the result of a comparison.
type Verdict struct {
	// Compared says that both sides were read up to the positions.
	Compared bool
	// Equal says that nothing is missing, different or there twice. It never
	// goes without Compared.
	Equal bool
	// Text says more, in one sentence.
	Text string
}

// Step is a step of a migration that is done.
type Step string

// The steps, in their order.
const (
	// Copying: the route runs, and the ends that it has to reach are fixed.
	Copying Step = "copying"
	// CaughtUp: it has reached them, and is near the ends as of now.
	CaughtUp Step = "caught-up"
	// Verified: both sides are equal.
	Verified Step = "verified"
	// NotVerified: both sides were not compared.
	NotVerified Step = "not-verified"
	// Differs: both sides are not equal.
	Differs Step = "differs"
)

// Event is a step that was taken.
type Event struct {
	Step Step
	// Lag is that of all places together, in offsets.
	Lag int64
	// Places are the positions and ends that the step is about.
	Places []Place
	// Text is that of the Verdict.
	Text string
}

// ErrDiffers says that the envelopes are not those of the plaintext.
var ErrDiffers = errors.New("the envelopes are not those of the plaintext")

// ErrNotVerified says that both sides were not compared.
var ErrNotVerified = errors.New("both sides were not compared")

// Run carries the route and watches over it. It returns when the route has
// ended: by itself, with ctx, or with Options.End when both sides have been
// compared. An error of the watch ends the route, but not one of Measure after
// the first: servers that fail for a while are asked again, as the route does.
// The error matches ErrDiffers if the sides were compared and differ, and with
// Options.End ErrNotVerified if they were not compared.
func Run(ctx context.Context, o Options) error {
	goal, err := o.Measure(ctx) // before the route changes anything
	switch {
	case ctx.Err() != nil:
		goal = nil // the route ends by itself, and says how
	case err != nil:
		return err
	default:
		o.Tell(Event{Step: Copying, Lag: sumLags(goal), Places: goal})
	}
	carrying, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- o.Carry(carrying) }() // it has ended when Run returns
	watching, give := context.WithCancel(ctx)
	defer give()
	watched := make(chan error, 1)
	go func() { watched <- o.watchRoute(watching, goal) }() // likewise
	select {
	case err := <-ended:
		give()
		if failed := <-watched; ctx.Err() == nil && !errors.Is(failed, context.Canceled) {
			err = errors.Join(err, failed)
		}
		return err
	case err := <-watched:
		follows := !o.End && (err == nil || errors.Is(err, ErrDiffers) || errors.Is(err, ErrNotVerified))
		switch {
		case ctx.Err() != nil:
			err = nil // a signal is no error of the watch
		case !follows:
			stop()
		case errors.Is(err, ErrNotVerified):
			err = nil // it has been said, and the route goes on
		}
		return errors.Join(<-ended, err)
	}
}

// watchRoute takes the other steps, and returns after the last one.
func (o *Options) watchRoute(ctx context.Context, goal []Place) error {
	now, err := o.awaitGoal(ctx, goal)
	if err != nil {
		return err
	}
	o.Tell(Event{Step: CaughtUp, Lag: sumLags(now), Places: now})
	until := make(map[string]int64, len(now))
	for i := range now {
		until[now[i].Name] = max(now[i].Position, now[i].First)
	}
	verdict, err := o.Compare(ctx, until)
	switch event := (Event{Places: now, Text: verdict.Text}); {
	case err != nil:
		return err
	case !verdict.Compared:
		event.Step = NotVerified
		o.Tell(event)
		return ErrNotVerified
	case !verdict.Equal:
		event.Step = Differs
		o.Tell(event)
		return ErrDiffers
	default:
		event.Step = Verified
		o.Tell(event)
		return nil
	}
}

// awaitGoal waits until the route has reached the ends of goal, and is near the
// ends as of now.
func (o *Options) awaitGoal(ctx context.Context, goal []Place) ([]Place, error) {
	ends := make(map[string]int64, len(goal))
	for i := range goal {
		ends[goal[i].Name] = goal[i].End
	}
	timer := time.NewTicker(o.Every)
	defer timer.Stop()
	for doubted := false; ; {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
		}
		switch now, err := o.Measure(ctx); {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil && !doubted:
			o.Doubt(err)
			doubted = true
		case err != nil:
		case isReached(now, ends) && sumLags(now) <= o.Near:
			return now, nil
		default:
			doubted = false
		}
	}
}

// isReached tells whether the positions are at or behind the ends. A place that
// is new is not among the ends, and counts by its lag.
func isReached(now []Place, ends map[string]int64) bool {
	seen := 0
	for i := range now {
		end, ok := ends[now[i].Name]
		if !ok {
			continue
		}
		if seen++; max(now[i].Position, now[i].First) < end {
			return false
		}
	}
	return seen == len(ends)
}

func sumLags(places []Place) (total int64) {
	for i := range places {
		total += places[i].countLag()
	}
	return total
}
