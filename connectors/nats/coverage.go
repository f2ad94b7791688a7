package nats

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// lookEveryConsumer is how often a lane asks about its consumer: whether it is
// paused, and every fourth time whether the route covers the stream.
const (
	lookEveryConsumer = 15 * time.Second
	coverEvery        = 4
	// maxNamed is how many subjects a log line names.
	maxNamed = 5
)

// watchConsumer asks about the consumer until ctx ends.
func (l *lane) watchConsumer(ctx context.Context) {
	s := l.source
	for n := 0; ; n++ {
		asking, cancel := context.WithTimeout(ctx, endTimeout)
		if consumer, err := s.lookUp(asking); err == nil {
			s.notePause(consumer.CachedInfo())
		}
		if s.losses.areOpen() {
			_ = s.settleLosses(asking) // asked again, and at the end
		}
		if n%coverEvery == 0 {
			s.noteUncovered(asking)
		}
		cancel()
		if retry.Sleep(ctx, lookEveryConsumer) != nil {
			return
		}
	}
}

// noteUncovered says which subjects of the stream no consumer of the route
// reads: their messages would never be carried, and nobody would know.
func (s *Source) noteUncovered(ctx context.Context) {
	if len(s.Filters) == 0 || s.Route == "" {
		return
	}
	started := time.Now()
	subjects, err := s.findUncovered(ctx)
	if err != nil {
		err = s.conn.explainStream(started, s.Stream, err)
		s.Log.Warn("it is not known whether the route covers the stream", "stream", s.Stream, "error", err)
		return
	}
	if n := len(subjects); n > 0 {
		slices.Sort(subjects)
		s.Log.Error("not covered: no consumer of this route reads these subjects of the stream", "stream", s.Stream,
			"count", n, "subjects", fmt.Sprintf("%q", subjects[:min(n, maxNamed)]))
	}
}

// findUncovered returns the subjects of messages in the stream that no consumer
// of the route reads.
func (s *Source) findUncovered(ctx context.Context) ([]string, error) {
	stream, err := s.conn.js.Stream(ctx, s.Stream)
	if err != nil {
		return nil, err
	}
	var filters []string
	list := stream.ListConsumers(ctx)
	for info := range list.Info() {
		if info.Config.Metadata[metadataRoute] != s.Route {
			continue
		}
		own := filtersOf(&info.Config)
		if len(own) == 0 {
			return nil, nil // it reads all
		}
		filters = append(filters, own...)
	}
	if err := list.Err(); err != nil {
		return nil, err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		return nil, err
	}
	var uncovered []string
	for subject := range info.State.Subjects {
		if !slices.ContainsFunc(filters, func(f string) bool { return coversSubject(f, subject) }) {
			uncovered = append(uncovered, subject)
		}
	}
	return uncovered, nil
}

// filtersOf returns the subjects that a consumer reads; none for all.
func filtersOf(cfg *jetstream.ConsumerConfig) []string {
	if cfg.FilterSubject != "" {
		return []string{cfg.FilterSubject}
	}
	return cfg.FilterSubjects
}
