package nats

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// witness writes down what it is told.
type witness struct {
	mu      sync.Mutex
	places  func(func(string, int64, int64)) // of the lane that is served
	ends    []error                          // of lanes
	changes []bool                           // of the connection
	retried []int                            // messages

	already, again int // of duplicates
}

func (w *witness) ServeLane(places func(func(string, int64, int64))) func(error) {
	w.places = places
	return func(err error) { w.ends = append(w.ends, err) }
}

func (w *witness) ChangeConnection(connected bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if connected == (err == nil) {
		w.changes = append(w.changes, connected)
	}
}

func (w *witness) NoteDuplicates(already, again int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.already, w.again = w.already+already, w.again+again
}

// notedDuplicates returns what the observer of broker.sink was told.
func notedDuplicates(s *Sink) (already, again int) {
	w := s.Observer.(*witness)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.already, w.again
}

func (w *witness) RetryPublish(messages int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.retried = append(w.retried, messages)
	}
}

// TestSourceObserver: the lag is the messages that wait in the stream and those
// that are not acknowledged yet.
func TestSourceObserver(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 10, 100)
	w := new(witness)
	s := b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", UntilEnd: true, Observer: w})
	requireLag := func(lag int64) {
		t.Helper()
		w.places(func(place string, position, end int64) {
			if place != "ORDERS" || end-position != lag || lag == 0 && position != 11 {
				t.Errorf("%s is at %d, %d behind, want %d", place, position, end-position, lag)
			}
		})
	}
	lost := errors.New("lost the first time")
	first := true
	err := s.Serve(t.Context(), func(ctx context.Context, l pipeline.Lane) error {
		for acked := int64(0); ; acked++ {
			batch, err := l.Read(ctx, 1)
			if err == io.EOF {
				requireLag(0)
				return nil
			}
			if err != nil {
				return err
			}
			batch.Release()
			if first && acked == 4 {
				first = false
				return errors.Join(pipeline.ErrLost, lost)
			}
			if !first {
				requireLag(6 - acked)
			}
			if err := l.Commit(ctx, &pipeline.Progress{Messages: 1}); err != nil {
				return err
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(w.ends) != 2 || !errors.Is(w.ends[0], lost) || w.ends[1] != nil {
		t.Errorf("lanes ended with %v", w.ends)
	}
}

func TestConnObserver(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	w := new(witness)
	c, err := Connect(t.Context(), ConnOptions{URL: b.url(), Log: quiet, Observer: w})
	if err != nil {
		t.Fatal(err)
	}
	b.restart()
	eventually(t, "told of both", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.changes) >= 2
	})
	c.Close()
	if w.changes[0] || !w.changes[1] {
		t.Errorf("told %v", w.changes)
	}
}

func TestSinkObserver(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", func(cfg *jetstream.StreamConfig) { cfg.MaxMsgs, cfg.Discard = 5, jetstream.DiscardNew })
	w := new(witness)
	writer := b.writer(b.sink(b.connect(), SinkOptions{Stream: "ENC", Observer: w}))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- writer.Write(ctx, numberedMessages("enc", 8, 0), nil) }()
	eventually(t, "a retry", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.retried) > 0
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if slices.Max(w.retried) != 3 || slices.Min(w.retried) != 3 {
		t.Errorf("retried %v messages", w.retried)
	}
}
