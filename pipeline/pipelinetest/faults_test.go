package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// broken wraps a medium's lanes so that they break one promise.
type broken struct {
	pipeline.Source
	read func(*pipeline.Batch)
	lane func(pipeline.Lane) pipeline.Lane
}

type brokenLane struct {
	pipeline.Lane
	read func(*pipeline.Batch)
}

func (l brokenLane) Read(ctx context.Context, limit int) (*pipeline.Batch, error) {
	b, err := l.Lane.Read(ctx, limit)
	if err == nil && l.read != nil {
		l.read(b)
	}
	return b, err
}

func (s broken) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	return s.Source.Serve(ctx, func(ctx context.Context, lane pipeline.Lane) error {
		if s.lane != nil {
			lane = s.lane(lane)
		}
		return serve(ctx, brokenLane{lane, s.read})
	})
}

// deaf is a lane that forgets commits, stale one whose batches share their
// buffers.
type (
	deaf  struct{ pipeline.Lane }
	stale struct {
		pipeline.Lane
		last *pipeline.Batch
	}
)

func (deaf) Commit(context.Context, *pipeline.Progress) error { return nil }

func (l *stale) Read(ctx context.Context, limit int) (*pipeline.Batch, error) {
	b, err := l.Lane.Read(ctx, limit)
	if l.last != nil {
		for i := range l.last.Messages {
			clear(l.last.Messages[i].Value)
		}
	}
	l.last = b
	return b, err
}

// swallow ends every lane without an error.
type swallow struct{ pipeline.Source }

func (s swallow) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	return s.Source.Serve(ctx, func(ctx context.Context, lane pipeline.Lane) error {
		_ = serve(ctx, lane)
		return nil
	})
}

// timid is a lane that ends when one of its places is parked.
type timid struct{ pipeline.Lane }

func (l timid) Read(ctx context.Context, limit int) (*pipeline.Batch, error) {
	for _, place := range []string{"a", "b", "c"} {
		if l.Assignment().Stop(place) < math.MaxInt64 {
			return nil, io.EOF
		}
	}
	return l.Lane.Read(ctx, limit)
}

// greedy is a lane that reads on in a trial.
type greedy struct{ pipeline.Lane }

func (l greedy) Read(ctx context.Context, limit int) (*pipeline.Batch, error) {
	b, err := l.Lane.Read(ctx, limit)
	if err == nil && len(b.Starts) > 0 {
		b.Messages = append(b.Messages, b.Messages[0])
	}
	return b, err
}

// mute does not serve a lane again that has failed.
type mute struct{ pipeline.Source }

func (s mute) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	return s.Source.Serve(ctx, func(ctx context.Context, lane pipeline.Lane) error {
		_ = serve(ctx, lane)
		<-ctx.Done()
		return nil
	})
}

// TestSourceSuiteFindsFaults gives each check a source that breaks what it
// checks.
func TestSourceSuiteFindsFaults(t *testing.T) {
	drop := func(b *pipeline.Batch) {
		if n := len(b.Messages); n > 1 {
			b.Messages = b.Messages[:n-1]
		}
	}
	tests := []struct {
		check string
		wrap  func(pipeline.Source) pipeline.Source
	}{
		{"hooks", nil}, // see the end
		{"empty medium", func(s pipeline.Source) pipeline.Source { return invented{} }},
		{"order, no loss", func(s pipeline.Source) pipeline.Source { return broken{Source: s, read: drop} }},
		{"order, no loss", func(s pipeline.Source) pipeline.Source {
			return broken{Source: s, read: func(b *pipeline.Batch) {
				rand.Shuffle(len(b.Messages), func(i, j int) { b.Messages[i], b.Messages[j] = b.Messages[j], b.Messages[i] })
			}}
		}},
		{"order, no loss", func(s pipeline.Source) pipeline.Source {
			return broken{Source: s, read: func(b *pipeline.Batch) { b.Messages[0].Headers = nil; b.Messages[0].Value = nil }}
		}},
		{"batches", func(s pipeline.Source) pipeline.Source {
			return broken{Source: s, read: func(b *pipeline.Batch) { b.Ends[0].Next = 0 }}
		}},
		{"batches", func(s pipeline.Source) pipeline.Source {
			return broken{Source: s, read: func(b *pipeline.Batch) { b.Size /= 2 }}
		}},
		{"release discipline", func(s pipeline.Source) pipeline.Source {
			return broken{Source: s, lane: func(l pipeline.Lane) pipeline.Lane { return &stale{Lane: l} }}
		}},
		{"parked place ends a bounded run", func(s pipeline.Source) pipeline.Source { s.(*MemorySource).Live = true; return s }},
		{"parked place leaves the others alone", func(s pipeline.Source) pipeline.Source {
			return broken{Source: s, lane: func(l pipeline.Lane) pipeline.Lane { return timid{l} }}
		}},
		{"parked place leaves the others alone", func(s pipeline.Source) pipeline.Source {
			return broken{Source: s, lane: func(l pipeline.Lane) pipeline.Lane { return deaf{l} }}
		}},
		{"parked place stays parked after a lost lane", func(s pipeline.Source) pipeline.Source { s.(*MemorySource).forgets = true; return s }},
		{"resume after a failure", func(s pipeline.Source) pipeline.Source {
			return broken{Source: s, lane: func(l pipeline.Lane) pipeline.Lane { return deaf{l} }}
		}},
		{"nothing twice after the end", func(s pipeline.Source) pipeline.Source {
			return broken{Source: s, lane: func(l pipeline.Lane) pipeline.Lane { return deaf{l} }}
		}},
		{"lost lane", func(s pipeline.Source) pipeline.Source { return swallow{s} }},
		{"gaps", func(s pipeline.Source) pipeline.Source { return broken{Source: s, read: drop} }},
		{"waits for more", func(s pipeline.Source) pipeline.Source { s.(*MemorySource).Live = false; return s }},
		{"drain on shutdown", func(s pipeline.Source) pipeline.Source {
			return broken{Source: s, lane: func(l pipeline.Lane) pipeline.Lane { return deaf{l} }}
		}},
		{"parked place is tried again", func(s pipeline.Source) pipeline.Source {
			return broken{Source: s, lane: func(l pipeline.Lane) pipeline.Lane { return greedy{l} }}
		}},
		{"failed lane is served again", func(s pipeline.Source) pipeline.Source { return mute{s} }},
		{"parked place is left alone", func(s pipeline.Source) pipeline.Source { s.(*MemorySource).Live = false; return s }},
		{"revoked lane", func(s pipeline.Source) pipeline.Source {
			return broken{Source: s, lane: func(l pipeline.Lane) pipeline.Lane { return deaf{l} }}
		}},
	}
	for i, test := range tests {
		t.Run(fmt.Sprintf("%d %s", i, test.check), func(t *testing.T) {
			spec := memorySpec()
			spec.MaxValue = defaultMaxValue
			hangs := test.check == "failed lane is served again" || test.check == "parked place ends a bounded run"
			if hangs {
				spec.Timeout = 3 * time.Second
			}
			spec.New = func(t *testing.T) SourceMedium {
				m := memoryMedium(t)
				if test.wrap == nil {
					m.Revoke = nil
					return m
				}
				bounded, live := m.Bounded, m.Live
				m.Bounded = func() pipeline.Source { return test.wrap(bounded()) }
				m.Live = func() pipeline.Source { return test.wrap(live()) }
				return m
			}
			found := false
			for _, c := range slices.Concat(sourceChecks, parkedChecks) {
				if c.name == test.check {
					found = true
					err := c.run(t, spec)
					if err == nil {
						t.Error("the check passed")
					} else if !hangs && strings.Contains(err.Error(), "timeout") {
						t.Error(err)
					}
				}
			}
			if !found {
				t.Errorf("there is no check %q", test.check)
			}
		})
	}
}

// invented is a source of a message that nobody put.
type invented struct{}

func (invented) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	return from([]pipeline.Message{{Value: []byte("invented")}}).Serve(ctx, serve)
}

func (invented) HoldsAll() bool { return true }

// badSink breaks the promise that its name says.
type badSink struct {
	pipeline.Sink
	breaks string
	mu     sync.Mutex
	kept   []pipeline.Message
}

func (s *badSink) Open(ctx context.Context, lane pipeline.Lane) (pipeline.Writer, error) {
	w, err := s.Sink.Open(ctx, lane)
	return &badWriter{w, s}, err
}

type badWriter struct {
	pipeline.Writer
	sink *badSink
}

func (w *badWriter) Write(ctx context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
	switch w.sink.breaks {
	case "loses":
		msgs = msgs[:len(msgs)/2]
	case "refuses empty writes":
		if len(msgs) == 0 {
			return errCut
		}
	case "keeps slices":
		w.sink.mu.Lock()
		defer w.sink.mu.Unlock()
		w.sink.kept = append(w.sink.kept, msgs...)
		return nil
	case "lies":
		if ctx.Err() != nil {
			return nil
		}
	case "positions early":
		done = &pipeline.Progress{}
	}
	err := w.Writer.Write(ctx, msgs, done)
	refused, ok := errors.AsType[*pipeline.Refused](err)
	if !ok {
		return err
	}
	switch w.sink.breaks {
	case "takes all":
		return nil
	case "leaves all":
		for i := range msgs {
			if !slices.Contains(refused.Left, i) && refused.Messages[0].Index != i {
				refused.Left = append(refused.Left, i)
			}
		}
	case "names one":
		refused.Messages = refused.Messages[:1]
	case "loses what was left":
		refused.Left = nil
	case "fails":
		return errCut
	}
	return refused
}

func (w *badWriter) Close(ctx context.Context) error {
	if w.sink.breaks == "writes at close" {
		_ = w.Writer.Write(ctx, []pipeline.Message{{Value: []byte("invented")}}, &pipeline.Progress{})
	}
	return w.Writer.Close(ctx)
}

// TestSinkSuiteFindsFaults gives each check a sink that breaks what it checks.
func TestSinkSuiteFindsFaults(t *testing.T) {
	tests := []struct{ check, breaks string }{
		{"order, no loss", "loses"},
		{"order, no loss", "keeps slices"},
		{"steps", "refuses empty writes"},
		{"steps", "keeps slices"},
		{"nothing written", "writes at close"},
		{"without position", "positions early"},
		{"cancelled write", "lies"},
		{"lanes", "loses"},
		{"dead letters", "loses"},
		{"drain on shutdown", "loses"},
		{"refused messages", "takes all"},
		{"refused messages", "leaves all"},
		{"refused messages", "names one"},
		{"refused messages as dead letters", "loses what was left"},
		{"refused message parks its place", "fails"},
	}
	for _, test := range tests {
		t.Run(test.check+"/"+test.breaks, func(t *testing.T) {
			spec := SinkSpec{Carries: everything, Atomic: true, Refuses: true, MaxValue: defaultMaxValue, Timeout: 20 * time.Second}
			spec.New = func(t *testing.T) SinkMedium {
				m := memorySinkMedium(true)(t)
				bad := &badSink{Sink: m.Sink(), breaks: test.breaks}
				stored := m.Stored
				m.Sink = func() pipeline.Sink { return bad }
				m.Stored = func() []pipeline.Message { return append(stored(), bad.kept...) }
				return m
			}
			found := false
			for _, c := range slices.Concat(sinkChecks, refusedChecks) {
				if c.name != test.check {
					continue
				}
				found = true
				if c.run(t, spec) == nil {
					t.Error("the check passed")
				}
			}
			if !found {
				t.Errorf("there is no check %q", test.check)
			}
		})
	}
}
