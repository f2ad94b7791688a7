package pipelinetest

import (
	"errors"
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
		if err := l.await(n); err != nil {
			return err
		}
	}
	if err := l.stop(); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	return s.arrival().compare(want, l.sink.Stored())
}

func sourceDrain(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	want := s.messages(0, 600)
	m.Put(want)
	l := startLive(t, s.Timeout, pipeline.Options{Source: m.Live(), ReadAhead: 4 << 10})
	if err := l.await(100); err != nil {
		return err
	}
	if err := l.stop(); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	rest := new(MemorySink)
	if err := s.bounded(t, m, rest, nil); err != nil {
		return err
	}
	// A shutdown within grace commits what it wrote, so nothing comes twice.
	return s.arrival().compare(want, append(l.sink.Stored(), rest.Stored()...))
}

func sourceParkedLive(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	parked := make(chan error, 64)
	want := s.messages(0, 50)
	m.Put(want[:1])
	l := startLive(t, s.Timeout, pipeline.Options{
		Source:       m.Live(),
		NewTransform: failAt(0, errCut),
		Observer:     &Recorder{Parked: func(err error) { parked <- err }},
	})
	select {
	case err := <-parked:
		if !errors.Is(err, errCut) {
			return fmt.Errorf("parked with %w", err)
		}
	case <-l.ended:
		return fmt.Errorf("a live run ended when its lane was parked: %w", l.err)
	}
	m.Put(want[1:])
	// A source that is right passes whatever the time; one that is wrong has it to show that.
	select {
	case err := <-parked:
		return fmt.Errorf("the parked lane was served again, and parked with %w", err)
	case <-l.ended:
		return fmt.Errorf("a live run ended when its lane was parked: %w", l.err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := l.stop(); err != nil && !errors.Is(err, errCut) {
		return fmt.Errorf("shutdown: %w", err)
	}
	return nil
}

func sourceRevoked(t *testing.T, s SourceSpec) error {
	m := s.New(t)
	want := s.messages(0, 600)
	m.Put(want[:300])
	l := startLive(t, s.Timeout, pipeline.Options{Source: m.Live(), ReadAhead: 4 << 10})
	for _, n := range []int{50, 150, 300} {
		if err := l.await(n); err != nil {
			return err
		}
		m.Revoke()
	}
	m.Put(want[300:])
	if err := l.await(600); err != nil {
		return err
	}
	if err := l.stop(); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	return s.arrival().compare(want, l.sink.Stored())
}
