package testcontainers

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Faults that hit messages while they are written: the moment is not left to
// chance.

// allAcked returns how many messages there are when all of them are sealed.
// Nothing is published then, until the function returned is called.
func (run *natsRun) allAcked(ctx context.Context) (count int, goOn func()) {
	run.Helper()
	run.pause.Lock()
	run.awaitFlow(ctx)
	return run.count(), run.pause.Unlock
}

// loseAcks has the sinks store messages of which no process ever hears: the
// processes are killed. The next ones publish these messages once more. With
// purge, an operator empties the stream that keeps all in between: it then
// knows the ids of messages that it does not have.
func (run *natsRun) loseAcks(ctx context.Context, purge bool) {
	run.Helper()
	sealed, goOn := run.allAcked(ctx)
	defer goOn()
	if purge {
		run.checkAll(run.readNumbered(ctx, natsSource), run.readNumbered(ctx, natsAll), run.may)
	}
	before := run.stored(ctx, natsAll)
	for _, p := range run.proxies {
		p.swallowAcks(natsAll, natsLast)
	}
	run.publishSome(ctx, 500)
	var last uint64
	eventually(ctx, run.T, "no message is stored without an answer", func() error {
		now := run.stored(ctx, natsAll)
		if same := now == last; now > before && same {
			return nil
		}
		last = now
		return fmt.Errorf("stored up to %d, before it was %d", now, before)
	})
	for _, s := range run.sinks {
		for _, p := range s.processes {
			p.kill(run.T)
		}
	}
	run.Logf("%d messages were stored, and nobody has heard of it", last-before)
	if purge {
		run.purge(ctx, natsAll)
		run.may.mayMiss = sealed // the later ones are not sealed, as far as anybody knows
	}
	for _, p := range run.proxies {
		p.mend()
	}
	for _, s := range run.sinks {
		for i := range s.processes {
			run.beginProcess(s, i)
		}
	}
}

// loseRequests has processes publish into connections by which nothing
// arrives, until these are cut.
func (run *natsRun) loseRequests(ctx context.Context) {
	run.Helper()
	for try := range 5 {
		_, goOn := run.allAcked(ctx)
		var published atomic.Int64
		for _, p := range run.proxies {
			p.swallow(func(frame []byte, answer bool) bool {
				published.Add(int64(bytes.Count(frame, []byte("HPUB enc."))))
				return !answer
			})
		}
		run.publishSome(ctx, 500)
		for wait := 0; wait < 50 && published.Load() == 0; wait++ {
			time.Sleep(100 * time.Millisecond) // at most five seconds: a lease outlives that
		}
		for _, p := range run.proxies {
			p.mend()
		}
		goOn()
		if n := published.Load(); n > 0 {
			run.Logf("%d messages were published and did not arrive", n)
			return
		}
		run.Logf("try %d: nobody published", try) // no request for messages was there
	}
	run.Fatal("nobody published")
}

// stored is the last sequence of a stream.
func (run *natsRun) stored(ctx context.Context, stream string) (last uint64) {
	run.Helper()
	eventually(ctx, run.T, "stream "+stream, func() error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		held, err := run.js.Stream(ctx, stream)
		if err == nil {
			last = held.CachedInfo().State.LastSeq
		}
		return err
	})
	return last
}

// purge empties a stream.
func (run *natsRun) purge(ctx context.Context, stream string) {
	run.Helper()
	eventually(ctx, run.T, "purge of "+stream, func() error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		held, err := run.js.Stream(ctx, stream)
		if err != nil {
			return err
		}
		return held.Purge(ctx)
	})
}
