package transform_test

import (
	"encoding/binary"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

func breakerGate(t *testing.T, state []byte, b *transform.Breaker) *transform.Gate {
	t.Helper()
	g, err := transform.NewGate(state, transform.GateOptions{Stats: new(transform.GateStats), Partition: -1, Breaker: b})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestBreaker: so many guesses within the window open it, also over restarts;
// slower ones, and refusals for other reasons, do not.
func TestBreaker(t *testing.T) {
	guess, fault := pipeline.ReasonTampered, pipeline.ReasonMalformed
	for _, test := range []struct {
		name    string
		reason  pipeline.Reason
		every   time.Duration
		opensAt int // 0: never, in 30
	}{
		{"at once", guess, 0, 3},
		{"within the window", pipeline.ReasonWrongKey, 29 * time.Second, 3},
		{"slower", pipeline.ReasonUntrusted, 30 * time.Second, 0},
		{"unknown keys", pipeline.ReasonUnknownKey, time.Second, 3},
		{"no guesses", fault, 0, 0},
	} {
		for _, restarts := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				b := &transform.Breaker{Limit: 3, Window: time.Minute}
				g := breakerGate(t, nil, b)
				opened := 0
				for i := 1; i <= 30 && opened == 0; i++ {
					if err := g.NoteReject(test.reason); err != nil {
						opened = i
					}
					if restarts && opened == 0 {
						g = breakerGate(t, g.AppendState(nil), b)
					}
					time.Sleep(test.every)
				}
				if opened != test.opensAt {
					t.Errorf("%s, restarts %v: opens at %d", test.name, restarts, opened)
				}
			})
		}
	}
}

// TestBreakerStaysOpen: an open breaker outlives restarts and time, until a
// person resumes; one that opens afterwards is open again.
func TestBreakerStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &transform.Breaker{Limit: 2, Window: time.Minute}
		g := breakerGate(t, nil, b)
		open := func() {
			t.Helper()
			if g.NoteReject(pipeline.ReasonTampered) != nil || g.NoteReject(pipeline.ReasonTampered) == nil {
				t.Fatal("it does not open at the second one")
			}
		}
		open()
		state := g.AppendState(nil)
		time.Sleep(30 * 24 * time.Hour)
		g = breakerGate(t, state, b)
		var blocked *transform.BreakerError
		if err := g.ReadBreaker(); !errors.As(err, &blocked) || !blocked.Resumable() ||
			err.Error() != "the decrypt breaker is open since 2000-01-01T00:00:00Z: 2 messages were refused within 1m0s" {
			t.Errorf("after a restart: %v", err)
		}
		if again := g.AppendState(nil); string(again) != string(state) {
			t.Error("its state is another one after a restart")
		}
		if err := breakerGate(t, state, nil).ReadBreaker(); err != nil {
			t.Errorf("without a breaker: %v", err)
		}
		b.Resume(time.Now())
		g = breakerGate(t, state, b)
		if err := g.ReadBreaker(); err != nil || len(g.AppendState(nil)) != 0 {
			t.Errorf("resumed: %v", err)
		}
		time.Sleep(time.Second)
		open()
		if breakerGate(t, g.AppendState(nil), b).ReadBreaker() == nil {
			t.Error("a breaker that opened after the resume is not open")
		}
	})
}

// TestBreakerState: the refusals do not take the place of runs, and a limit
// that was lowered counts from then on.
func TestBreakerState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &transform.Breaker{Limit: transform.MaxBreakerLimit, Window: time.Hour}
		g := breakerGate(t, nil, b)
		for i := range uint16(300) {
			m := marked(at{source: 1, partition: i, offset: 5, distance: 1})
			if err := g.Admit(m); err != nil {
				t.Fatal(err)
			}
		}
		for range transform.MaxBreakerLimit - 1 {
			if err := g.NoteReject(pipeline.ReasonTampered); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		state := g.AppendState(nil)
		if len(state) > maxState {
			t.Errorf("a state of %d bytes", len(state))
		}
		lower := &transform.Breaker{Limit: 5, Window: time.Hour}
		if breakerGate(t, state, lower).NoteReject(pipeline.ReasonTampered) == nil {
			t.Error("the lower limit does not count")
		}
		if breakerGate(t, state, b).NoteReject(pipeline.ReasonTampered) == nil {
			t.Error("the state has forgotten refusals")
		}
		time.Sleep(time.Hour)
		if breakerGate(t, state, b).NoteReject(pipeline.ReasonTampered) != nil {
			t.Error("refusals of an hour ago count")
		}
	})
}

// TestBreakerOfUnevenClocks: refusals that were noted by a machine whose clock
// is ahead count, and the state stays one.
func TestBreakerOfUnevenClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ahead := binary.BigEndian.AppendUint64(nil, uint64(time.Now().Add(10*time.Second).UnixMilli()))
		state := append([]byte{1, 3, 0, 7, 0}, ahead[2:]...)
		b := &transform.Breaker{Limit: 4, Window: time.Minute}
		g := breakerGate(t, state, b)
		for range 2 {
			if err := g.NoteReject(pipeline.ReasonTampered); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
		}
		state = g.AppendState(nil)
		if breakerGate(t, state, b).NoteReject(pipeline.ReasonTampered) == nil {
			t.Error("the state has forgotten refusals")
		}
		time.Sleep(time.Minute + 5*time.Second)
		if state = breakerGate(t, state, b).AppendState(nil); len(state) != 0 {
			t.Errorf("the refusals are not forgotten: %x", state)
		}
	})
}
