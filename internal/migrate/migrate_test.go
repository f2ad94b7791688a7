package migrate

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// rig is a route of one or several places, which move between measurements.
type rig struct {
	places []Place
	move   func(places []Place)
	steps  []Step
	events []Event
	until  map[string]int64
	doubts []error
}

func (r *rig) options() Options {
	return Options{
		Carry: func(ctx context.Context) error { <-ctx.Done(); return nil },
		Measure: func(context.Context) ([]Place, error) {
			measured := slices.Clone(r.places)
			if r.move != nil {
				r.move(r.places)
			}
			return measured, nil
		},
		Compare: func(_ context.Context, until map[string]int64) (Verdict, error) {
			r.until = until
			return Verdict{Compared: true, Equal: true, Text: "equal"}, nil
		},
		Tell:  func(e Event) { r.steps, r.events = append(r.steps, e.Step), append(r.events, e) },
		Doubt: func(err error) { r.doubts = append(r.doubts, err) },
		Near:  5, Every: time.Second,
	}
}

func TestSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{places: []Place{{Name: "a", Position: -1, End: 100}, {Name: "b", Position: 0, End: 0}}}
		r.move = func(p []Place) { // it grows while it is copied
			p[0].End += 3
			p[0].Position = min(p[0].End-4, p[0].Position+30)
		}
		o := r.options()
		o.End = true
		if err := Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(r.steps, []Step{Copying, CaughtUp, Verified}) {
			t.Errorf("%v", r.steps)
		}
		if e := r.events[1]; e.Lag != 4 || r.until["a"] < 100 || r.until["a"] != e.Places[0].Position || r.until["b"] != 0 {
			t.Errorf("%+v, until %v", e, r.until)
		}
		if r.events[0].Lag != 100 {
			t.Errorf("%+v", r.events[0])
		}
	})
}

// TestServersFail has servers that do not answer twice for a while: the route
// goes on, and each time is told of once.
func TestServersFail(t *testing.T) {
	failed := errors.New("failed")
	synctest.Test(t, func(t *testing.T) {
		r := &rig{places: []Place{{Name: "a", Position: 0, End: 100}}}
		r.move = func(p []Place) { p[0].Position = min(100, p[0].Position+30) }
		o := r.options()
		o.End = true
		measure, asked := o.Measure, 0
		o.Measure = func(ctx context.Context) ([]Place, error) {
			if asked++; asked == 2 || asked == 3 || asked == 5 {
				return nil, failed
			}
			return measure(ctx)
		}
		if err := Run(t.Context(), o); err != nil {
			t.Error(err)
		}
		if !slices.Equal(r.steps, []Step{Copying, CaughtUp, Verified}) || !slices.Equal(r.doubts, []error{failed, failed}) {
			t.Errorf("%v, %v", r.steps, r.doubts)
		}
	})
}

// TestNotCaughtUp has routes that never catch up: the steps are not taken.
func TestNotCaughtUp(t *testing.T) {
	for name, change := range map[string]func(places []Place){
		"one place stands still": func(p []Place) { p[0].Position, p[1].Position = p[0].End, 3 },
		"too slow":               func(p []Place) { p[0].End += 50; p[0].Position += 50; p[1].Position = p[1].End },
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &rig{move: change, places: []Place{{Name: "a", Position: 0, End: 10}, {Name: "b", Position: 0, End: 4}}}
			ctx, stop := context.WithTimeout(t.Context(), time.Hour)
			defer stop()
			if err := Run(ctx, r.options()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !slices.Equal(r.steps, []Step{Copying}) {
				t.Errorf("%s: %v", name, r.steps)
			}
		})
	}
}

func TestVerdicts(t *testing.T) {
	failed := errors.New("failed")
	for _, test := range []struct {
		verdict Verdict
		fault   error
		end     bool
		step    Step
		want    error
		follows bool // until the signal
	}{
		{Verdict{Compared: true, Equal: true}, nil, false, Verified, nil, true},
		{Verdict{Compared: true, Equal: true}, nil, true, Verified, nil, false},
		{Verdict{Compared: true}, nil, false, Differs, ErrDiffers, true},
		{Verdict{Compared: true}, nil, true, Differs, ErrDiffers, false},
		{Verdict{Equal: true}, nil, false, NotVerified, nil, true},
		{Verdict{Equal: true}, nil, true, NotVerified, ErrNotVerified, false},
		{Verdict{}, failed, false, CaughtUp, failed, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &rig{places: []Place{{Name: "a", Position: 10, End: 10}}}
			o := r.options()
			o.End = test.end
			o.Compare = func(context.Context, map[string]int64) (Verdict, error) { return test.verdict, test.fault }
			ctx, stop := context.WithTimeout(t.Context(), time.Hour)
			defer stop()
			err := Run(ctx, o)
			if !errors.Is(err, test.want) || (test.want == nil) != (err == nil) || r.steps[len(r.steps)-1] != test.step ||
				(ctx.Err() != nil) != test.follows {
				t.Errorf("%+v: %v, %v, %v", test, err, r.steps, ctx.Err())
			}
		})
	}
}

// TestEndings has the route fail, the watch fail, and a signal come at once.
func TestEndings(t *testing.T) {
	failed := errors.New("failed")
	synctest.Test(t, func(t *testing.T) {
		r := &rig{places: []Place{{Name: "a", Position: 0, End: 10}}}
		o := r.options()
		o.Carry = func(context.Context) error { return failed }
		if err := Run(t.Context(), o); !errors.Is(err, failed) {
			t.Errorf("%v", err)
		}
		o = r.options()
		o.Measure = func(context.Context) ([]Place, error) { return nil, failed }
		if err := Run(t.Context(), o); !errors.Is(err, failed) {
			t.Errorf("%v", err)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := Run(ctx, r.options()); err != nil {
			t.Errorf("%v", err)
		}
	})
}
