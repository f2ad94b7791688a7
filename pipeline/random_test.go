package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// TestRandomRuns draws sources, batches, delays, faults, revocations and
// restarts, and checks what must hold whatever happens: every message is
// written, dead-lettered or skipped; first appearances keep the order of their
// place; no commit passes a message that is not settled; and without a fault
// nothing appears twice.
func TestRandomRuns(t *testing.T) {
	rounds := 400
	if testing.Short() {
		rounds = 50
	}
	for seed := range rounds {
		synctest.Test(t, func(t *testing.T) {
			newRound(t, uint64(seed)).play()
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// round is one draw.
type round struct {
	*chance
	t *testing.T

	src        *pipelinetest.MemorySource
	sink, dead *pipelinetest.MemorySink
	o          pipeline.Options
	places     []string
	offsets    map[string][]int64
	drawn      int // faults at the beginning
}

func newRound(t *testing.T, seed uint64) *round {
	r := &round{
		t: t, chance: newChance(seed, 7), offsets: make(map[string][]int64),
		sink: new(pipelinetest.MemorySink), dead: new(pipelinetest.MemorySink),
	}
	lanes := r.drawPlaces(4, 3)
	r.places = slices.Concat(lanes...)
	r.src = pipelinetest.NewSource(lanes...)
	r.src.Live = r.draw(2) == 0
	r.src.MaxBatch = 1 + r.draw(12)
	if r.draw(2) == 0 {
		r.faults = 1 + r.draw(12)
		r.drawn = r.faults
	}
	r.put()
	r.inject()
	r.o = pipeline.Options{
		Source: r.src, Sink: r.sink, DeadLetters: r.dead, Workers: 1 + r.draw(6), Budget: smallBudget,
		NewTransform: pipelinetest.Each(r.transform), NewGate: r.gate,
	}
	return r
}

// put fills every place with messages, numbered from 0, and gaps; some are
// large for the budget.
func (r *round) put() {
	for _, p := range r.places {
		offset := int64(0)
		for i := range r.draw(60) {
			offset = r.skipGaps(r.src, p, offset)
			m := numbered(i, i+1)[0]
			if r.draw(10) == 0 {
				m.Key = make([]byte, 3000)
			}
			r.src.Put(p, m)
			r.offsets[p] = append(r.offsets[p], offset)
			offset++
		}
	}
}

// wait waits for a while, mostly for none.
func (r *round) wait(ctx context.Context) error { return r.pause(ctx, 3, time.Second) }

// fault is now and then an error.
func (r *round) fault() error { return r.drawFault(errBoom) }

func (r *round) inject() {
	r.src.OnRead = func(ctx context.Context) error { return errors.Join(r.wait(ctx), r.fault()) }
	r.src.OnCommit = func(ctx context.Context, done *pipeline.Progress) error {
		r.settled(done)
		return errors.Join(r.wait(ctx), r.fault())
	}
	for _, s := range []*pipelinetest.MemorySink{r.sink, r.dead} {
		s.OnOpen = func(context.Context, pipeline.Lane) error { return r.fault() }
		s.OnWrite = func(ctx context.Context, _ []pipeline.Message, _ *pipeline.Progress) error {
			return errors.Join(r.wait(ctx), r.fault())
		}
		s.AfterWrite = func(context.Context, *pipeline.Progress) error { return r.fault() }
		s.OnClose = func(context.Context) error { return r.fault() }
	}
}

// The transform and the gate decide by the number, so that every run decides
// alike.
func (r *round) transform(ctx context.Context, m *pipeline.Message) error {
	if err := r.wait(ctx); err != nil {
		return err
	}
	switch n, _ := strconv.Atoi(string(m.Value)); {
	case n%7 == 3:
		return pipeline.Skip
	case n%11 == 5:
		return &pipeline.Reject{Reason: "malformed"}
	}
	if r.draw(100) == 0 {
		return r.fault()
	}
	return nil
}

func (r *round) gate(place string, state []byte) (pipeline.Gate, error) {
	return gates(new(trace), func(m *pipeline.Message) error {
		if n, _ := strconv.Atoi(string(m.Value)); n%13 == 6 {
			return &pipeline.Reject{Reason: "duplicate"}
		}
		return nil
	})(place, state)
}

// fate is where message n must appear.
func (r *round) fate(n int) *pipelinetest.MemorySink {
	switch {
	case n%7 == 3:
		return nil
	case n%11 == 5 || n%13 == 6:
		return r.dead
	}
	return r.sink
}

// settled checks that all messages before a position have met their fate.
func (r *round) settled(done *pipeline.Progress) {
	for _, p := range done.Places {
		have := map[*pipelinetest.MemorySink][]int64{
			r.sink: offsetsIn(r.sink.Stored(), p.Place), r.dead: offsetsIn(r.dead.Stored(), p.Place),
		}
		for n, offset := range r.offsets[p.Place] {
			if fate := r.fate(n); offset < p.Next && fate != nil && !slices.Contains(have[fate], offset) {
				r.t.Errorf("commit of %s@%d passes message @%d, which is nowhere", p.Place, p.Next, offset)
			}
		}
	}
}

// play runs until every message has been settled, beginning again after what
// ends a run.
func (r *round) play() {
	for range 100 {
		if r.once() {
			r.check()
			return
		}
	}
	r.t.Error("the run does not come to its end")
}

// once is one run. It reports whether all was committed.
func (r *round) once() bool {
	run := start(r.t, r.o)
	if r.src.Live {
		for range r.draw(6) { // a life of revocations, and then the end, or time to finish
			time.Sleep(time.Duration(r.draw(3000)) * time.Millisecond)
			r.src.Revoke(r.draw(4))
		}
		if r.draw(2) == 0 {
			time.Sleep(time.Hour)
		}
		run.stop()
	}
	if err := run.wait(); err != nil && !errors.Is(err, errBoom) {
		r.t.Error(err)
	}
	for _, p := range r.places {
		all := r.offsets[p]
		if len(all) > 0 && r.src.Committed(p).Next <= all[len(all)-1] {
			return false
		}
	}
	return true
}

func (r *round) check() {
	for _, p := range r.places {
		want := make(map[*pipelinetest.MemorySink][]int64)
		for n, offset := range r.offsets[p] {
			want[r.fate(n)] = append(want[r.fate(n)], offset)
		}
		for _, s := range []*pipelinetest.MemorySink{r.sink, r.dead} {
			got := offsetsIn(s.Stored(), p)
			once := first(got)
			if !slices.Equal(once, want[s]) {
				r.t.Errorf("%s: got %v, want %v", p, once, want[s])
			}
			if r.faultsLeft() == r.drawn && len(once) != len(got) {
				r.t.Errorf("%s: twice without a fault: %v", p, got)
			}
		}
	}
}

// first drops all but the first appearance of each offset.
func first(offsets []int64) []int64 {
	seen := make(map[int64]bool)
	return slices.DeleteFunc(slices.Clone(offsets), func(o int64) bool {
		defer func() { seen[o] = true }()
		return seen[o]
	})
}
