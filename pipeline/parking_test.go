package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// threePlaces returns a source of one lane with the places a, b and c, each of
// which holds the numbers from 0 on, read in batches of size messages.
func threePlaces(size, count int) *pipelinetest.MemorySource {
	src := pipelinetest.NewSource([]string{"a", "b", "c"})
	src.MaxBatch = size
	for _, place := range []string{"a", "b", "c"} {
		src.Put(place, numbered(0, count)...)
	}
	return src
}

// at tells whether m is a message of a place.
func at(m *pipeline.Message, place, value string) bool {
	return m.Origin.Place == place && string(m.Value) == value
}

// failing returns a transform and a gate that fail at message 5 of b with err,
// one of them.
func failing(inGate bool, err error) (func() pipeline.Transform, func(string, []byte) (pipeline.Gate, error)) {
	fail := func(m *pipeline.Message) error {
		if at(m, "b", "5") {
			return err
		}
		return nil
	}
	if inGate {
		return pipelinetest.Identity, gates(new(trace), fail)
	}
	return pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error { return fail(m) }), gates(new(trace), nil)
}

// TestPlaceParks: one message that cannot pass stops its place at that message,
// whoever says so, and whatever else is in its batch.
func TestPlaceParks(t *testing.T) {
	reject := &pipeline.Reject{Reason: pipeline.ReasonTampered, Err: errors.New("tampered: chunk 4")}
	for _, by := range []string{"transform", "gate", "sink"} {
		for _, cause := range []error{reject, errBoom} {
			for _, size := range []int{1, 4, 7, 100} {
				t.Run(fmt.Sprintf("%s/%v/%d", by, cause, size), func(t *testing.T) {
					src, sink := threePlaces(size, 20), new(pipelinetest.MemorySink)
					o := pipeline.Options{Source: src, Sink: sink}
					if by == "sink" {
						sink.Refuse = func(m *pipeline.Message) error {
							if at(m, "b", "5") {
								return cause
							}
							return nil
						}
						o.NewGate = gates(new(trace), nil)
					} else {
						o.NewTransform, o.NewGate = failing(by == "gate", cause)
					}
					settled := 0
					src.OnCommit = func(_ context.Context, done *pipeline.Progress) error {
						settled += done.Messages
						return nil
					}
					err := run(t, o)
					if want := "b@5: " + cause.Error(); err == nil || err.Error() != want || !errors.Is(err, cause) {
						t.Errorf("ended with %v, want %s", err, want)
					}
					for place, want := range map[string]int{"a": 20, "b": 5, "c": 20} {
						wantValues(t, sink.Stored(), place, count(0, want))
						got := src.Committed(place)
						if got.Next != int64(want) || got.Last != int64(want-1) || string(got.State) != fmt.Sprint(want-1) {
							t.Errorf("%s: committed %+v", place, got)
						}
					}
					if settled != 45 {
						t.Errorf("%d messages count, want 45", settled)
					}
				})
			}
		}
	}
}

// TestPlaceParksAtItsFirstMessage: a place that stands still has no position.
func TestPlaceParksAtItsFirstMessage(t *testing.T) {
	var tr trace
	src, sink := threePlaces(3, 3), new(pipelinetest.MemorySink)
	src.OnCommit = func(_ context.Context, done *pipeline.Progress) error {
		for _, p := range done.Places {
			tr.add("%s@%d", p.Place, p.Next)
		}
		return nil
	}
	err := run(t, pipeline.Options{
		Source: src, Sink: sink, Workers: 1,
		NewTransform: pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
			if at(m, "b", "0") {
				return errBoom
			}
			return nil
		}),
	})
	if !errors.Is(err, errBoom) {
		t.Error(err)
	}
	tr.want(t, "a@3", "c@3")
}

// TestNothingBehindAStop: the transform sees no message behind one of its batch
// that stopped the place, and the gate none that was read before the place was
// parked.
func TestNothingBehindAStop(t *testing.T) {
	src := source(2, 20)
	var transformed, gated atomic.Int64
	err := run(t, pipeline.Options{
		Source: src, Sink: new(pipelinetest.MemorySink), Workers: 4,
		NewTransform: pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
			switch n := m.Origin.Offset; {
			case n == 0: // until the other workers have the batches behind it
				synctest.Wait()
				return errBoom
			case n == 1:
				transformed.Add(1)
			}
			return nil
		}),
		NewGate: gates(new(trace), func(*pipeline.Message) error { gated.Add(1); return nil }),
	})
	if !errors.Is(err, errBoom) || transformed.Load() != 0 || gated.Load() != 0 {
		t.Errorf("%d transformed and %d admitted behind the stop, %v", transformed.Load(), gated.Load(), err)
	}
}

// TestFault: a message that the source could not read is rejected unseen.
func TestFault(t *testing.T) {
	for _, letters := range []bool{true, false} {
		src := pipelinetest.NewSource([]string{"a"})
		src.Put("a", numbered(0, 2)...)
		src.Put("a", pipeline.Message{Key: []byte("k"), Value: []byte("raw"), Fault: &pipeline.Reject{
			Reason: pipeline.ReasonMalformed, Err: errors.New("malformed: checksum"), Through: 6,
		}})
		src.Put("a", numbered(3, 5)...)
		sink, dead := new(pipelinetest.MemorySink), new(pipelinetest.MemorySink)
		o := pipeline.Options{Source: src, Sink: sink, NewTransform: pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
			if m.Fault != nil {
				t.Error("the transform saw the message")
			}
			return nil
		})}
		if !letters {
			err := run(t, o)
			if err == nil || err.Error() != "a@2-6: malformed: checksum" {
				t.Errorf("ended with %v", err)
			}
			wantValues(t, sink.Stored(), "a", count(0, 2))
			continue
		}
		o.DeadLetters, o.DeadLetterValues = dead, true
		if err := run(t, o); err != nil {
			t.Error(err)
		}
		wantValues(t, sink.Stored(), "a", []string{"0", "1", "3", "4"})
		letter := dead.Stored()[0]
		if got := string(letter.Headers[0].Value); got != "a@2-6" || string(letter.Value) != "raw" {
			t.Errorf("dead letter of %s: %+v", got, letter)
		}
		if m := sink.Stored()[2]; m.Origin.Previous != 6 {
			t.Errorf("the message behind the fault follows @%d", m.Origin.Previous)
		}
	}
}

// TestFaultThatStops: an error of the source that is about one place, and about
// no message, parks that place.
func TestFaultThatStops(t *testing.T) {
	src := threePlaces(4, 3)
	src.Put("b", pipeline.Message{Fault: errBoom}, pipeline.Message{Value: []byte("4")})
	src.Put("c", numbered(3, 5)...)
	sink, dead := new(pipelinetest.MemorySink), new(pipelinetest.MemorySink)
	if err := run(t, pipeline.Options{Source: src, Sink: sink, DeadLetters: dead}); err == nil || err.Error() != "b@3: boom" {
		t.Errorf("ended with %v", err)
	}
	for place, n := range map[string]int{"a": 3, "b": 3, "c": 5} {
		wantValues(t, sink.Stored(), place, count(0, n))
	}
	if dead.Len() != 0 {
		t.Errorf("%d dead letters", dead.Len())
	}
}

// attempts is a transform that notes when it sees a message of a place and
// fails the first times.
type attempts struct {
	place, value string
	fails        int
	err          error
	began        time.Time
	times        []time.Duration
}

func (a *attempts) transform(_ context.Context, m *pipeline.Message) error {
	if !at(m, a.place, a.value) {
		return nil
	}
	a.times = append(a.times, time.Since(a.began).Round(time.Millisecond))
	if len(a.times) <= a.fails {
		return a.err
	}
	return nil
}

// TestPassingCauseIsTriedAgain: after 1 s, then twice as long each time up to a
// minute, one message first; the neighbours go on meanwhile.
func TestPassingCauseIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, sink := threePlaces(4, 10), new(pipelinetest.MemorySink)
		src.Live = true
		a := &attempts{place: "b", value: "5", fails: 9, err: pipeline.Passing(errBoom), began: time.Now()}
		var seen []string
		watch := new(pipelinetest.Recorder)
		r := start(t, pipeline.Options{
			Source: src, Sink: sink, Workers: 1, Observer: watch, NewGate: gates(new(trace), nil),
			NewTransform: pipelinetest.Each(func(ctx context.Context, m *pipeline.Message) error {
				if m.Origin.Place == "b" {
					seen = append(seen, string(m.Value))
				}
				return a.transform(ctx, m)
			}),
		})
		time.Sleep(90 * time.Second)
		synctest.Wait()
		wantValues(t, sink.Stored(), "a", count(0, 10))
		wantValues(t, sink.Stored(), "b", count(0, 5))
		if parked := watch.ParkedPlaces(); len(parked) != 1 || !errors.Is(parked["b"], errBoom) {
			t.Errorf("parked: %v", parked)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		wantValues(t, sink.Stored(), "b", count(0, 10))
		if parked := watch.ParkedPlaces(); len(parked) > 0 {
			t.Errorf("still parked: %v", parked)
		}
		second := time.Second
		if want := []time.Duration{
			0, second, 3 * second, 7 * second, 15 * second, 31 * second, 63 * second, 123 * second, 183 * second, 243 * second,
		}; !slices.Equal(a.times, want) {
			t.Errorf("tried after %v, want %v", a.times, want)
		}
		// One message of b in each trial, and the rest when it has passed.
		if n := len(seen); n < 10 || !slices.Equal(seen[n-13:], []string{"5", "5", "5", "5", "5", "5", "5", "5", "5", "6", "7", "8", "9"}) {
			t.Errorf("the transform saw %v of b", seen)
		}
		for _, m := range sink.Stored() {
			if m.Origin.Previous != m.Origin.Offset-1 {
				t.Errorf("%s@%d follows @%d", m.Origin.Place, m.Origin.Offset, m.Origin.Previous)
			}
		}
		r.stop()
		if err := r.wait(); err != nil {
			t.Error(err)
		}
	})
}

// TestPoisonIsNotTriedAgain: neither a Reject nor an error of no known kind
// passes by itself, even if it is marked.
func TestPoisonIsNotTriedAgain(t *testing.T) {
	for _, poison := range []error{
		errBoom, &pipeline.Reject{Reason: pipeline.ReasonTampered}, pipeline.Passing(&pipeline.Reject{Reason: pipeline.ReasonTampered}),
	} {
		synctest.Test(t, func(t *testing.T) {
			src := source(3, 10)
			src.Live, src.Others = true, true
			a := &attempts{place: "orders/0", value: "5", fails: 1, err: poison, began: time.Now()}
			r := start(t, pipeline.Options{
				Source: src, Sink: new(pipelinetest.MemorySink), NewTransform: pipelinetest.Each(a.transform),
			})
			time.Sleep(24 * time.Hour)
			r.stop()
			if err := r.wait(); err == nil || len(a.times) != 1 {
				t.Errorf("tried after %v, ended with %v", a.times, err)
			}
		})
	}
}

// TestBackOffGoesOn: a place that is parked again soon after a trial that went
// well waits as long as if that had failed; one that moved for a while waits a
// second.
func TestBackOffGoesOn(t *testing.T) {
	for _, test := range []struct {
		moved time.Duration
		want  time.Duration
	}{{10 * time.Second, 4 * time.Second}, {2 * time.Minute, time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			src := source(1, 10)
			src.Live, src.Others = true, true
			var failed [2]time.Time
			var passed time.Time
			began := time.Now()
			r := start(t, pipeline.Options{
				Source: src, Sink: new(pipelinetest.MemorySink), Workers: 1,
				NewTransform: pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
					switch n := m.Origin.Offset; {
					case n == 3 && failed[0].IsZero(), n == 3 && time.Since(failed[0]) < 2*time.Second:
						failed[0] = time.Now()
						return pipeline.Passing(errBoom)
					case n == 4 && time.Since(began) > 2*time.Second: // not the one in flight at first
						time.Sleep(test.moved)
					case n == 5 && failed[1].IsZero():
						failed[1] = time.Now()
						return pipeline.Passing(errBoom)
					case n == 5:
						passed = time.Now()
					}
					return nil
				}),
			})
			time.Sleep(time.Hour)
			r.stop()
			if err := r.wait(); err != nil || passed.Sub(failed[1]) != test.want {
				t.Errorf("tried again after %v, want %v (%v)", passed.Sub(failed[1]), test.want, err)
			}
		})
	}
}

// TestGateBeginsAgain: a place that is tried again gets a gate with the state
// that the old one had when the place was parked.
func TestGateBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := source(10, 10)
		src.Live = true
		a := &attempts{place: "orders/0", value: "5", fails: 1, err: pipeline.Passing(errBoom)}
		var made trace
		r := start(t, pipeline.Options{
			Source: src, Sink: new(pipelinetest.MemorySink), NewTransform: pipelinetest.Each(a.transform), NewGate: gates(&made, nil),
		})
		time.Sleep(time.Minute)
		r.stop()
		if err := r.wait(); err != nil {
			t.Error(err)
		}
		made.want(t, "orders/0 ", "orders/0 4")
		if got := src.Committed("orders/0"); got.Next != 10 || string(got.State) != "9" {
			t.Errorf("committed %+v", got)
		}
	})
}

// joining is a source of one lane whose places join it batch by batch.
type joining struct {
	pipeline.Source
	batches []*pipeline.Batch
	held    *pipeline.Assignment
}

func (j *joining) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	return j.held.Hold(ctx, true, func(ctx context.Context) error { return serve(ctx, j) })
}

func (*joining) HoldsAll() bool                                   { return true }
func (j *joining) Assignment() *pipeline.Assignment               { return j.held }
func (*joining) Start() []pipeline.Position                       { return nil }
func (*joining) Commit(context.Context, *pipeline.Progress) error { return nil }
func (j *joining) Read(context.Context, int) (*pipeline.Batch, error) {
	if len(j.batches) == 0 {
		return nil, errBoom
	}
	b := j.batches[0]
	j.batches = j.batches[1:]
	return b, nil
}

// TestPlaceJoins: a place that a batch begins has the offset and the gate state
// that the batch gives, also if the place was there before.
func TestPlaceJoins(t *testing.T) {
	batch := func(first int64, start *pipeline.Position) *pipeline.Batch {
		b := &pipeline.Batch{Ends: []pipeline.Position{{Place: "a", Next: first + 1}}}
		b.Messages = []pipeline.Message{{Value: fmt.Appendf(nil, "%d", first), Origin: pipeline.Origin{Place: "a", Offset: first}}}
		if start != nil {
			b.Starts = []pipeline.Position{*start}
		}
		return b
	}
	j := &joining{held: pipeline.NewAssignment("a"), batches: []*pipeline.Batch{
		batch(10, &pipeline.Position{Place: "a", Next: 10, Last: 7, State: []byte("9")}),
		batch(11, nil),
		batch(3, &pipeline.Position{Place: "a", Next: 3, Last: 1, State: []byte("1")}),
	}}
	var made trace
	sink := new(pipelinetest.MemorySink)
	if err := run(t, pipeline.Options{Source: j, Sink: sink, NewGate: gates(&made, nil)}); !errors.Is(err, errBoom) {
		t.Error(err)
	}
	made.want(t, "a 9", "a 1")
	var previous []int64
	for _, m := range sink.Stored() {
		previous = append(previous, m.Origin.Previous)
	}
	if want := []int64{7, 10, 1}; !slices.Equal(previous, want) {
		t.Errorf("previous %v, want %v", previous, want)
	}
}

// TestLaneFailsAndPasses: an error that no message is to blame for parks all
// places of the lane, and they are tried again together, one message first.
func TestLaneFailsAndPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, sink := threePlaces(5, 10), new(pipelinetest.MemorySink)
		src.Live = true
		began := time.Now()
		var writes, sizes []int
		sink.OnWrite = func(_ context.Context, msgs []pipeline.Message, _ *pipeline.Progress) error {
			writes, sizes = append(writes, int(time.Since(began).Seconds())), append(sizes, len(msgs))
			if n := len(writes); n >= 2 && n <= 4 {
				return pipeline.Passing(errBoom)
			}
			return nil
		}
		watch := new(pipelinetest.Recorder)
		r := start(t, pipeline.Options{Source: src, Sink: sink, Workers: 1, Observer: watch})
		time.Sleep(500 * time.Millisecond)
		if parked := watch.ParkedPlaces(); len(parked) != 3 {
			t.Errorf("parked: %v", parked)
		}
		time.Sleep(time.Minute)
		r.stop()
		if err := r.wait(); err != nil {
			t.Error(err)
		}
		if !slices.Equal(writes[:6], []int{0, 0, 1, 3, 7, 7}) || !slices.Equal(sizes[:6], []int{5, 5, 1, 1, 1, 5}) {
			t.Errorf("writes after %v seconds, of %v messages", writes, sizes)
		}
		for _, place := range []string{"a", "b", "c"} {
			wantValues(t, sink.Stored(), place, count(0, 10))
		}
		if parked := watch.ParkedPlaces(); len(parked) > 0 {
			t.Errorf("still parked: %v", parked)
		}
	})
}

// TestQuietTrial: a lane that opens again, and has nothing to read, is not
// parked for ever.
func TestQuietTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, sink := source(5, 0), new(pipelinetest.MemorySink)
		src.Live = true
		fail := pipelinetest.FailNth(1, pipeline.Passing(errBoom))
		sink.OnOpen = func(context.Context, pipeline.Lane) error { return fail() }
		watch := new(pipelinetest.Recorder)
		r := start(t, pipeline.Options{Source: src, Sink: sink, Observer: watch})
		time.Sleep(5 * time.Second)
		if len(watch.ParkedPlaces()) != 1 {
			t.Error("not parked while it is tried")
		}
		time.Sleep(10 * time.Minute)
		if parked := watch.ParkedPlaces(); len(parked) > 0 {
			t.Errorf("still parked: %v", parked)
		}
		r.stop()
		if err := r.wait(); err != nil {
			t.Error(err)
		}
	})
}

// TestLostAgainAndAgain: a place whose messages lose the lane each time is
// found by trying each place by itself, and the others go on.
func TestLostAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := threePlaces(6, 20)
		src.Live = true
		sink := &pipelinetest.Transactions{Source: src}
		poisoned := false
		sink.Refuse = func(m *pipeline.Message) error { poisoned = poisoned || at(m, "b", "7"); return nil }
		sink.OnCommit = func(context.Context) error {
			defer func() { poisoned = false }()
			if poisoned {
				return errBoom
			}
			return nil
		}
		watch := new(pipelinetest.Recorder)
		r := start(t, pipeline.Options{Source: src, Sink: sink, Observer: watch, ExitAfter: math.MaxInt64 / 4})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		stored, _ := sink.Stored()
		wantValues(t, stored, "a", count(0, 20))
		wantValues(t, stored, "c", count(0, 20))
		got := values(stored, "b")
		if parked := watch.ParkedPlaces(); len(parked) != 1 || parked["b"] == nil || !slices.Equal(got, count(0, len(got))) || len(got) > 7 {
			t.Errorf("b has %v, parked %v", got, parked)
		}
		r.stop()
		if err := r.wait(); err == nil {
			t.Error("the run ended well")
		}
	})
}

// TestRevokedPlaceIsForgotten: a place that goes to another owner is not parked
// here any more, and the run does not end with it.
func TestRevokedPlaceIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := source(3, 10)
		src.Live = true
		a := &attempts{place: "orders/0", value: "5", fails: 1, err: errBoom}
		watch := new(pipelinetest.Recorder)
		sink := new(pipelinetest.MemorySink)
		r := start(t, pipeline.Options{Source: src, Sink: sink, Observer: watch, NewTransform: pipelinetest.Each(a.transform)})
		time.Sleep(time.Second)
		if len(watch.ParkedPlaces()) != 1 {
			t.Error("not parked")
		}
		src.Revoke(0) // and given back: a new owner tries the message once
		time.Sleep(time.Second)
		if parked := watch.ParkedPlaces(); len(parked) > 0 {
			t.Errorf("parked %v", parked)
		}
		r.stop()
		if err := r.wait(); err != nil {
			t.Error(err)
		}
		wantValues(t, sink.Stored(), "orders/0", count(0, 10))
	})
}

// TestTrialHasAnOutcomeOfItsOwn: the commit of the batch in which a place was
// parked, which comes late, is not taken for that of the trial.
func TestTrialHasAnOutcomeOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, sink := source(10, 20), new(pipelinetest.MemorySink)
		src.Live = true
		slow := pipelinetest.FailNth(1, errBoom)
		src.OnCommit = func(ctx context.Context, _ *pipeline.Progress) error {
			if slow() != nil {
				time.Sleep(5 * time.Second)
			}
			return nil
		}
		a := &attempts{place: "orders/0", value: "5", fails: 3, err: pipeline.Passing(errBoom)}
		var behind []time.Duration
		began := time.Now()
		r := start(t, pipeline.Options{
			Source: src, Sink: sink, Workers: 2,
			NewTransform: pipelinetest.Each(func(ctx context.Context, m *pipeline.Message) error {
				if m.Origin.Offset == 6 {
					behind = append(behind, time.Since(began))
				}
				return a.transform(ctx, m)
			}),
		})
		time.Sleep(time.Hour)
		r.stop()
		if err := r.wait(); err != nil {
			t.Error(err)
		}
		wantValues(t, sink.Stored(), "orders/0", count(0, 20))
		if len(behind) != 1 || len(a.times) != 4 {
			t.Errorf("tried %d times, the message behind was read after %v", len(a.times), behind)
		}
	})
}

func TestMayPass(t *testing.T) {
	reject := &pipeline.Reject{Reason: pipeline.ReasonTampered}
	at := func(err error) error { return &pipeline.MessageError{Err: err} }
	for _, test := range []struct {
		err  error
		want bool
	}{
		{errBoom, false},
		{pipeline.Passing(errBoom), true},
		{at(pipeline.Passing(errBoom)), true},
		{fmt.Errorf("topic out: %w", pipeline.Passing(errBoom)), true},
		{errors.Join(errBoom, pipeline.Passing(errBoom)), true},
		{reject, false},
		{pipeline.Passing(reject), false},
		{at(pipeline.Passing(fmt.Errorf("refused: %w", reject))), false},
		{pipeline.Passing(&pipeline.BrakedError{Count: 100, Err: reject}), false},
		{nil, false},
		{pipeline.Passing(nil), false},
	} {
		if got := pipeline.MayPass(test.err); got != test.want {
			t.Errorf("%v: got %t", test.err, got)
		}
	}
	if err := pipeline.Passing(errBoom); err.Error() != "boom" || !errors.Is(err, errBoom) {
		t.Errorf("marked: %v", err)
	}
}
