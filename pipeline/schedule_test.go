package pipeline_test

import (
	"context"
	"errors"
	"flag"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

var (
	schedules     = flag.Int("schedules", 2000, "how many schedules TestSchedules plays; 100000 takes some minutes")
	firstSchedule = flag.Uint64("schedule", 0, "the first of them")
)

// TestSchedules plays drawn schedules: lanes of several places, messages that
// are skipped, rejected or refused for ever or for a while by the transform,
// the gate or the sink, dead letters or none, transactions or none, lanes that
// are lost, fail or are revoked, and runs that are begun again. Whatever
// happens:
//
//   - every message of a place that is not parked arrives, in order, and in
//     transactions exactly once;
//   - of a parked place nothing at or behind its stopping point arrives, and
//     everything before it does;
//   - a run that leaves a place parked says so, with the message;
//   - no gate sees a message again, or one behind a stopping point.
func TestSchedules(t *testing.T) {
	n := *schedules
	if testing.Short() {
		n = min(n, 200)
	}
	for seed := *firstSchedule; seed < *firstSchedule+uint64(n); seed++ {
		synctest.Test(t, func(t *testing.T) {
			newSchedule(t, seed).play()
			if t.Failed() {
				t.Logf("schedule %d", seed)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// kind is what becomes of a message.
type kind int

const (
	passes kind = iota
	skipped
	rejectedByTransform
	rejectedByGate
	rejectedBySink
	stopsTransform // an error for ever
	stopsGate
	stopsSink
	pausesTransform // an error that passes
	pausesSink
)

// letter says whether a message of the kind is a dead letter where there are
// any.
func (k kind) letter() bool {
	return k == rejectedByTransform || k == rejectedByGate || k == rejectedBySink
}

// schedule is one draw.
type schedule struct {
	*chance
	t *testing.T

	src     *pipelinetest.MemorySource
	sink    *pipelinetest.MemorySink // at least once
	dead    *pipelinetest.MemorySink
	exactly *pipelinetest.Transactions // nil at least once
	letters bool
	o       pipeline.Options

	places  []string
	kinds   map[string][]kind // by number of the message
	offsets map[string][]int64
	tries   map[string]int // left to fail, of a message that passes later
}

func newSchedule(t *testing.T, seed uint64) *schedule {
	s := &schedule{
		t: t, chance: newChance(seed, 42), sink: new(pipelinetest.MemorySink), dead: new(pipelinetest.MemorySink),
		kinds: make(map[string][]kind), offsets: make(map[string][]int64), tries: make(map[string]int),
	}
	lanes := s.drawPlaces(3, 4)
	s.places = slices.Concat(lanes...)
	s.src = pipelinetest.NewSource(lanes...)
	s.src.Live = s.draw(2) == 0
	s.src.MaxBatch = 1 + s.draw(12)
	s.letters = s.draw(2) == 0
	if s.draw(2) == 0 {
		s.faults = 1 + s.draw(8)
	}
	s.fill()
	s.o = pipeline.Options{
		Source: s.src, Sink: s.sink, Workers: 1 + s.draw(5), Budget: smallBudget,
		NewTransform: pipelinetest.Each(s.transform), NewGate: s.newGate,
		ExitAfter: 24 * time.Hour, // the schedule ends the run
	}
	s.src.OnRead = func(ctx context.Context) error { return errors.Join(s.wait(ctx), s.fault(true)) }
	s.openSinks()
	return s
}

// openSinks draws the destination.
func (s *schedule) openSinks() {
	if s.letters {
		s.o.DeadLetters = s.dead
	}
	s.dead.OnWrite = func(ctx context.Context, _ []pipeline.Message, _ *pipeline.Progress) error { return s.fault(false) }
	if s.draw(3) == 0 {
		s.src.OnCommit = func(ctx context.Context, _ *pipeline.Progress) error { return errors.Join(s.wait(ctx), s.fault(true)) }
		s.sink.OnOpen = func(context.Context, pipeline.Lane) error { return s.fault(true) }
		s.sink.OnWrite = func(ctx context.Context, _ []pipeline.Message, _ *pipeline.Progress) error {
			return errors.Join(s.wait(ctx), s.fault(true))
		}
		s.sink.AfterWrite = func(context.Context, *pipeline.Progress) error { return s.fault(true) }
		s.sink.OnClose = func(context.Context) error { return s.fault(true) }
		s.sink.Refuse = s.refuse
		return
	}
	s.exactly = &pipelinetest.Transactions{
		Source: s.src, Refuse: s.refuse,
		Full:     func() bool { return s.draw(3) == 0 },
		OnWrite:  func(ctx context.Context) error { return errors.Join(s.wait(ctx), s.fault(false)) },
		OnCommit: func(ctx context.Context) error { return errors.Join(s.wait(ctx), s.fault(false)) },
	}
	if s.draw(2) == 0 { // as with partition=key
		s.exactly.Ahead = func(m *pipeline.Message) bool { return number(m)%3 == 0 }
	}
	s.o.Sink = s.exactly
	if s.letters {
		s.o.DeadLetters = s.exactly.DeadLetters()
	}
}

// fill draws the messages of each place.
func (s *schedule) fill() {
	quiet := s.draw(3) == 0 // mostly good messages
	for _, place := range s.places {
		offset := int64(0)
		for n := range s.draw(40) {
			offset = s.skipGaps(s.src, place, offset)
			k := passes
			if s.draw(10) == 0 || !quiet && s.draw(4) == 0 {
				k = kind(s.draw(int(pausesSink) + 1))
			}
			if k >= pausesTransform {
				s.tries[name(place, n)] = 1 + s.draw(3)
			}
			m := numbered(n, n+1)[0]
			if s.draw(12) == 0 {
				m.Key = make([]byte, 3000) // its batch takes several writes
			}
			s.src.Put(place, m)
			s.kinds[place] = append(s.kinds[place], k)
			s.offsets[place] = append(s.offsets[place], offset)
			offset++
		}
	}
}

func name(place string, n int) string { return place + "#" + strconv.Itoa(n) }

func number(m *pipeline.Message) int {
	n, err := strconv.Atoi(string(m.Value))
	if err != nil {
		return -1
	}
	return n
}

// wait waits for a while, mostly for none.
func (s *schedule) wait(ctx context.Context) error { return s.pause(ctx, 4, 1500*time.Millisecond) }

// fault is now and then an error that concerns the lane.
func (s *schedule) fault(other bool) error {
	if other {
		return s.drawFault(pipeline.Passing(errBoom))
	}
	return s.drawFault(nil)
}

var errStop, errPause = errors.New("stop"), errors.New("pause")

// verdict is what one of the three says about a message.
func (s *schedule) verdict(place string, n int, reject, stops, pauses kind) error {
	switch k := s.kinds[place][n]; {
	case k == reject:
		return &pipeline.Reject{Reason: pipeline.ReasonMalformed}
	case k == stops:
		return errStop
	case k == pauses:
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.tries[name(place, n)] > 0 {
			s.tries[name(place, n)]--
			return pipeline.Passing(errPause)
		}
	}
	return nil
}

func (s *schedule) transform(ctx context.Context, m *pipeline.Message) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	if s.kinds[m.Origin.Place][number(m)] == skipped {
		return pipeline.Skip
	}
	return s.verdict(m.Origin.Place, number(m), rejectedByTransform, stopsTransform, pausesTransform)
}

func (s *schedule) refuse(m *pipeline.Message) error {
	return s.verdict(m.Origin.Place, number(m), rejectedBySink, stopsSink, pausesSink)
}

// strictGate refuses what is not above the last message that it has admitted.
type strictGate struct {
	s     *schedule
	place string
	last  int
}

func (s *schedule) newGate(place string, state []byte) (pipeline.Gate, error) {
	g := &strictGate{s: s, place: place, last: -1}
	if len(state) > 0 {
		var err error
		if g.last, err = strconv.Atoi(string(state)); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func (g *strictGate) Admit(m *pipeline.Message) error {
	n := number(m)
	previous := int64(-1)
	if n > 0 {
		previous = g.s.offsets[g.place][n-1]
	}
	if m.Origin.Previous != previous {
		g.s.t.Errorf("%s@%d: previous is %d, want %d", g.place, m.Origin.Offset, m.Origin.Previous, previous)
	}
	if n <= g.last {
		g.s.t.Errorf("%s: the gate saw message %d after %d", g.place, n, g.last)
	}
	for i := g.last + 1; i < n; i++ {
		switch k := g.s.kinds[g.place][i]; {
		case k == passes, k == rejectedBySink && g.s.letters, k >= pausesTransform:
			g.s.t.Errorf("%s: the gate saw message %d before %d", g.place, n, i)
		}
	}
	if err := g.s.verdict(g.place, n, rejectedByGate, stopsGate, -1); err != nil {
		return err
	}
	g.last = n
	return nil
}

func (g *strictGate) AppendState(dst []byte) []byte {
	if g.last < 0 {
		return dst
	}
	return strconv.AppendInt(dst, int64(g.last), 10)
}

// stop is the message at which a place is parked for ever, or how many there
// are.
func (s *schedule) stop(place string) int {
	for n, k := range s.kinds[place] {
		if k == stopsTransform || k == stopsGate || k == stopsSink || k.letter() && !s.letters {
			return n
		}
	}
	return len(s.kinds[place])
}

// play runs until nothing more can move.
func (s *schedule) play() {
	for range 60 {
		if s.runOnce() {
			s.check()
			return
		}
		if s.t.Failed() {
			return
		}
	}
	s.t.Error("the runs do not come to an end")
}

// runOnce is one run. It reports whether nothing more can move.
func (s *schedule) runOnce() bool {
	run, long, faults := start(s.t, s.o), false, 0
	if s.src.Live {
		for range s.draw(5) {
			time.Sleep(time.Duration(s.draw(4000)) * time.Millisecond)
			s.src.Revoke(s.draw(3))
		}
		if s.draw(2) == 0 {
			time.Sleep(30 * time.Minute)
			long = true
		}
		faults = s.faultsLeft()
		run.stop()
	}
	err := run.wait()
	s.checkEnd(err)
	if long && faults == s.faultsLeft() { // causes that pass have passed
		for _, place := range s.places {
			if !s.isAtStop(place) {
				s.t.Errorf("%s has not moved on: it is at @%d", place, s.src.Committed(place).Next)
			}
		}
	}
	return !slices.ContainsFunc(s.places, func(place string) bool { return !s.isAtStop(place) })
}

// isAtStop tells whether everything before the stop of a place is committed.
func (s *schedule) isAtStop(place string) bool {
	stop := s.stop(place)
	return stop == 0 || s.src.Committed(place).Next > s.offsets[place][stop-1]
}

// checkEnd checks that an error of the run names the places that stand still.
func (s *schedule) checkEnd(err error) {
	parked, ok := errors.AsType[*pipeline.ParkedError](err)
	if err != nil && !ok {
		s.t.Errorf("the run ended with %v", err)
	}
	named := make(map[string]bool)
	if ok {
		for _, p := range parked.Parked {
			for _, place := range p.Places {
				named[place] = true
			}
			if p.At < 0 {
				continue
			}
			n := slices.Index(s.offsets[p.Places[0]], p.At)
			if n < 0 || s.kinds[p.Places[0]][n] == passes {
				s.t.Errorf("%s is parked at @%d because of %v: message %d, kinds %v, stop %d, letters %v, exactly %v", p.Places[0], p.At, p.Err, n, s.kinds[p.Places[0]], s.stop(p.Places[0]), s.letters, s.exactly != nil)
			}
		}
	}
	if s.src.Live {
		return
	}
	for _, place := range s.places { // a bounded run has read everything
		all := s.offsets[place]
		if len(all) > 0 && s.src.Committed(place).Next <= all[len(all)-1] && !named[place] {
			s.t.Errorf("%s is not at its end, and the run ended with %v", place, err)
		}
	}
}

// check compares what has arrived with what had to.
func (s *schedule) check() {
	messages, letters := s.sink.Stored(), s.dead.Stored()
	if s.exactly != nil {
		messages, letters = s.exactly.Stored()
	}
	for _, place := range s.places {
		var good, bad []int64
		stop := s.stop(place)
		for n, k := range s.kinds[place][:stop] {
			switch {
			case k == skipped:
			case k.letter():
				bad = append(bad, s.offsets[place][n])
			default:
				good = append(good, s.offsets[place][n])
			}
		}
		if next := s.src.Committed(place).Next; stop < len(s.kinds[place]) && next > s.offsets[place][stop] {
			s.t.Errorf("%s is committed up to @%d, behind its stopping point @%d", place, next, s.offsets[place][stop])
		}
		s.compare(place, "messages", offsetsIn(messages, place), good)
		got := offsetsIn(letters, place)
		if s.exactly == nil && stop < len(s.kinds[place]) {
			// Dead letters are written before the sink refuses a message.
			got = slices.DeleteFunc(got, func(o int64) bool { return o > s.offsets[place][stop] })
			slices.Sort(got)
		}
		s.compare(place, "dead letters", got, bad)
	}
}

func (s *schedule) compare(place, what string, got, want []int64) {
	if s.exactly == nil || what == "dead letters" {
		got = first(got)
	}
	// Dead letters of messages that the sink refuses come later, and messages
	// that may go ahead have no order among those that may not.
	if what == "dead letters" || s.exactly != nil && s.exactly.Ahead != nil {
		got = slices.Sorted(slices.Values(got))
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("%s: %s: got %v, want %v", place, what, got, want)
	}
	if s.exactly != nil && len(first(got)) != len(got) {
		s.t.Errorf("%s: %s twice: %v", place, what, got)
	}
}

func offsetsIn(msgs []pipeline.Message, place string) []int64 {
	var offsets []int64
	for i := range msgs {
		if msgs[i].Origin.Place == place {
			offsets = append(offsets, msgs[i].Origin.Offset)
		}
	}
	return offsets
}
