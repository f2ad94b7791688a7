package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// TestExitRule: when a run without an end ends because of parked places, and
// when it stays, and what it returns at a signal.
func TestExitRule(t *testing.T) {
	rights := pipeline.Passing(errors.New("not authorized"))
	type route struct {
		source *pipelinetest.MemorySource
		sink   *pipelinetest.MemorySink
		fails  map[string]error // by place@number
	}
	places := func(others bool, fails map[string]error) route {
		src := pipelinetest.NewSource([]string{"a"}, []string{"b", "c"}, []string{"idle"})
		src.Live, src.Others = true, others
		for _, place := range []string{"a", "b", "c"} {
			src.Put(place, numbered(0, 10)...)
		}
		return route{src, new(pipelinetest.MemorySink), fails}
	}
	two := func(others bool, fails map[string]error) route {
		src := source(5, 10, 10)
		src.Live, src.Others = true, others
		return route{src, new(pipelinetest.MemorySink), fails}
	}
	closed := func(r route) route {
		r.sink.OnOpen = func(context.Context, pipeline.Lane) error { return rights }
		return r
	}
	tests := []struct {
		name  string
		route func() route
		exits bool // by itself, within 48 to 72 s
		ends  bool // with an error at a signal
	}{
		{"nothing is parked", func() route { return two(false, nil) }, false, false},
		{"all of the source", func() route { return two(false, map[string]error{"orders/0@3": errBoom, "orders/1@7": errBoom}) }, true, true},
		{"all that is ours", func() route { return two(true, map[string]error{"orders/0@3": errBoom, "orders/1@7": errBoom}) }, false, true},
		{"one of two", func() route { return two(false, map[string]error{"orders/0@3": errBoom}) }, false, true},
		{"one place is idle", func() route { return places(false, map[string]error{"a@1": errBoom, "b@2": errBoom, "c@0": errBoom}) }, false, true},
		{"rights from the start", func() route { return closed(two(true, nil)) }, true, true},
		{"rights from the start, others idle", func() route { return closed(places(true, nil)) }, true, true},
		{"rights at the first messages", func() route { return two(true, map[string]error{"orders/0@0": rights, "orders/1@0": rights}) }, true, true},
		{"rights after something has passed", func() route { return two(true, map[string]error{"orders/0@0": rights, "orders/1@1": rights}) }, false, true},
		{"rights and poison", func() route { return two(true, map[string]error{"orders/0@0": rights, "orders/1@0": errBoom}) }, false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := test.route()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				began := time.Now()
				ended := make(chan error, 1)
				go func() {
					ended <- pipeline.Run(ctx, quiet(pipeline.Options{
						Source: r.source, Sink: r.sink,
						NewTransform: pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
							return r.fails[m.Origin.Place+"@"+string(m.Value)]
						}),
					}))
				}()
				var err error
				select {
				case err = <-ended:
				case <-time.After(24 * time.Hour):
					cancel()
					err = <-ended
				}
				took := time.Since(began)
				if exited := took < time.Hour; exited != test.exits || exited && (took < 48*time.Second || took > 72*time.Second+time.Millisecond) {
					t.Errorf("ended after %v with %v", took, err)
				}
				_, parked := errors.AsType[*pipeline.ParkedError](err)
				if parked != test.ends || !test.ends && err != nil {
					t.Errorf("ended with %v", err)
				}
			})
		})
	}
}

// TestExitIsTakenBack: a place that goes on within the time keeps the run
// alive.
func TestExitIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, sink := source(5, 10), new(pipelinetest.MemorySink)
		src.Live = true
		a := &attempts{place: "orders/0", value: "0", fails: 4, err: pipeline.Passing(errBoom)} // passes after 15 s
		r := start(t, pipeline.Options{Source: src, Sink: sink, NewTransform: pipelinetest.Each(a.transform)})
		time.Sleep(time.Hour)
		wantValues(t, sink.Stored(), "orders/0", count(0, 10))
		r.stop()
		if err := r.wait(); err != nil {
			t.Error(err)
		}
	})
}

// TestExitIsTold: the source learns that the run ends because of parked
// places, and not because of a signal.
func TestExitIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := source(5, 10)
		src.Live = true
		told := &curious{Source: src}
		err := pipeline.Run(t.Context(), quiet(pipeline.Options{
			Source: told, Sink: new(pipelinetest.MemorySink), NewTransform: on("3", errBoom),
		}))
		if !errors.Is(err, errBoom) {
			t.Error(err)
		}
		if _, ok := errors.AsType[*pipeline.ParkedError](told.cause); !ok {
			t.Errorf("the source was told %v", told.cause)
		}
	})
}

// curious is a source that notes why it was ended.
type curious struct {
	pipeline.Source
	cause error
}

func (c *curious) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	err := c.Source.Serve(ctx, serve)
	c.cause = context.Cause(ctx)
	return err
}

// TestParkedError: the text names the first places, and every cause is found.
func TestParkedError(t *testing.T) {
	stopped := func(place string, offset int64, err error) pipeline.ParkedPlace {
		return pipeline.ParkedPlace{Places: []string{place}, At: offset, Err: err}
	}
	message := &pipeline.MessageError{Origin: pipeline.Origin{Place: "orders/3", Offset: 8812}, Err: &pipeline.Reject{Reason: pipeline.ReasonTampered}}
	err := &pipeline.ParkedError{Parked: []pipeline.ParkedPlace{
		stopped("orders/3", 8812, message),
		stopped("orders/4", 5, errBoom),
		{Places: []string{"a", "b"}, At: -1, Err: errors.New("topic out: not authorized")},
	}}
	if got, want := err.Error(), "orders/3@8812: tampered; orders/4@5: boom; topic out: not authorized"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var reject *pipeline.Reject
	if !errors.As(err, &reject) || !errors.Is(err, errBoom) {
		t.Error("a cause is not found")
	}
	for range 20 {
		err.Parked = append(err.Parked, stopped("x", 1, errBoom))
	}
	if got := err.Error(); !strings.HasSuffix(got, "; and 18 more") {
		t.Errorf("got %s", got)
	}
}
