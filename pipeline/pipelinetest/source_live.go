package pipelinetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

func sourceLive(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	want := s.messages(0, 300)
	l := startLive(t, s.Timeout, pipeline.Options{Source: m.Live()})
	stored := 0
	for _, n := range []int{100, 101, 300} {
		m.Put(want[stored:n])
		stored = n
		if err := l.awaitStored(n); err != nil {
			return err
		}
	}
	if err := l.stop(); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	return s.arrival().compareAll(want, l.sink.Stored())
}

func sourceDrain(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	want := s.messages(0, 600)
	m.Put(want)
	l := startLive(t, s.Timeout, pipeline.Options{Source: m.Live(), ReadAhead: 4 << 10})
	if err := l.awaitStored(100); err != nil {
		return err
	}
	if err := l.stop(); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	rest := new(MemorySink)
	if err := s.bounded(t, m, rest, nil); err != nil {
		return err
	}
	// A shutdown within grace commits all that it wrote, so nothing comes
	// twice.
	return s.arrival().compareAll(want, append(l.sink.Stored(), rest.Stored()...))
}

func sourceRevoked(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	want := s.messages(0, 600)
	m.Put(want[:300])
	l := startLive(t, s.Timeout, pipeline.Options{Source: m.Live(), ReadAhead: 4 << 10})
	for _, n := range []int{50, 150, 300} {
		if err := l.awaitStored(n); err != nil {
			return err
		}
		m.Revoke()
	}
	m.Put(want[300:])
	if err := l.awaitStored(600); err != nil {
		return err
	}
	if err := l.stop(); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	return s.arrival().compareAll(want, l.sink.Stored())
}

// afterAWhile is how long a source that is wrong has to show it.
func afterAWhile() <-chan time.Time { return time.After(50 * time.Millisecond) }
