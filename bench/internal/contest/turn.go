package contest

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

// RunLaps gives each of n contenders as many turns as there are rounds, in
// turns: A B C, C B A. It returns the turns by contender.
func RunLaps[T any](rounds, n int, run func(i int) (T, error)) ([][]T, error) {
	turns := make([][]T, n)
	for round := range rounds {
		for i := range n {
			if round%2 == 1 {
				i = n - 1 - i
			}
			t, err := run(i)
			if err != nil {
				return nil, err
			}
			turns[i] = append(turns[i], t)
		}
	}
	return turns, nil
}

// Destination is the place that a contender fills.
type Destination struct {
	Name string // such as "topic turn-1"
	Unit string // its messages, such as "records"
	Want int64  // so many of them make it full
	// CountMessages returns how many there are; begun says that there was one
	// before.
	CountMessages func(ctx context.Context, begun bool) (int64, error)
}

// Pace is how fast a destination was filled, by the broker's answers.
type Pace struct {
	Messages float64 // between the first and the last look that count
	Took     time.Duration
}

// lookEvery is the time between two looks at a destination, the same for all
// contenders.
const lookEvery = 20 * time.Millisecond

// WatchFilling looks at a destination until it is full. It counts from the
// first message on, so that the time to start counts for no contender.
func (d *Destination) WatchFilling(ctx context.Context) (Pace, error) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var begin time.Time
	var first int64
	for {
		n, err := d.CountMessages(ctx, !begin.IsZero())
		if err != nil {
			return Pace{}, err
		}
		now := time.Now()
		switch {
		case n >= d.Want && begin.IsZero():
			return Pace{}, fmt.Errorf("%s was full within %v", d.Name, lookEvery)
		case n >= d.Want:
			return Pace{float64(d.Want - first), now.Sub(begin)}, nil
		case n > 0 && begin.IsZero():
			begin, first = now, n
		}
		select {
		case <-ctx.Done():
			return Pace{}, fmt.Errorf("%s: %d %s of %d: %w", d.Name, n, d.Unit, d.Want, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// Observation is the measurement of one turn.
type Observation struct {
	system.Usage         // of the contender
	Rate         float64 // messages per second
	Server       time.Duration
}

// RunObserved runs a contender and watches the destination that it fills.
// server is the process of the broker; Server is its processor time meanwhile.
func RunObserved(ctx context.Context, cmd *exec.Cmd, server int, d *Destination) (o Observation, err error) {
	before, err := system.ReadProcessorTime(server)
	if err != nil {
		return o, err
	}
	watching, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type result struct {
		pace Pace
		err  error
	}
	watched := make(chan result, 1)
	go func() {
		pace, err := d.WatchFilling(watching)
		watched <- result{pace, err}
	}()
	if o.Usage, err = system.RunCommand(cmd); err != nil {
		cancel(err)
		<-watched
		return o, err
	}
	late := time.AfterFunc(5*time.Second, func() { cancel(errors.New("the process has ended")) })
	defer late.Stop()
	w := <-watched
	if w.err != nil {
		return o, w.err
	}
	o.Rate = w.pace.Messages / w.pace.Took.Seconds()
	after, err := system.ReadProcessorTime(server)
	o.Server = after - before
	return o, err
}
