package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ErrNoMatch says that a pattern matches no topic that could be read.
var ErrNoMatch = errors.New("no topic matches")

// matches are the topics that a pattern has matched.
type matches struct {
	mu   sync.Mutex
	seen map[string]time.Time // when a broker knew the topic last
	told map[string]bool      // topics that are left out, of which people were told
}

// findTopics returns the topics that the names stand for now. A pattern that
// matches none is an error.
func (s *Source) findTopics(ctx context.Context) ([]string, error) {
	if s.names.pattern == nil {
		return s.names.list, s.names.checkWritten(s.Written)
	}
	var existing []string
	err := s.cluster.RetryCall(ctx, "the list of topics", func(ctx context.Context) error {
		m, err := s.cluster.AskAllMetadata(ctx)
		if err != nil {
			return err
		}
		existing = existing[:0]
		for i := range m.Topics {
			if t := &m.Topics[i]; t.Err == nil && !t.Internal {
				existing = append(existing, t.Name)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	taken, left := s.names.selectTopics(existing, s.Written)
	taken = s.matches.noteSeen(taken, time.Now())
	if untold := s.matches.listUntold(left); len(untold) > 0 {
		s.Log.Info("kafka: topics that the pattern matches are not read, since the route writes them or has "+
			"no name for what it would write", "pattern", s.names.String(), "topics", len(untold), "such_as",
			untold[:min(len(untold), 5)])
	}
	if len(taken) > 0 {
		return taken, nil
	}
	if len(left) > 0 {
		return nil,
			fmt.Errorf("%s: %w, but for those that the route writes or cannot name a destination for, such as %s",
				s.names.describe(), ErrNoMatch, left[0])
	}
	return nil, fmt.Errorf("%s: %w among the %d of the cluster", s.names.describe(), ErrNoMatch, len(existing))
}

// noteSeen notes the topics of one answer, and returns them with those that
// were seen a short while ago: a broker that has just started may not know all
// of them.
func (m *matches) noteSeen(names []string, now time.Time) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil {
		m.seen = make(map[string]time.Time)
	}
	for _, name := range names {
		m.seen[name] = now
	}
	all := make([]string, 0, len(m.seen))
	for name, at := range m.seen {
		if now.Sub(at) > missingTime {
			delete(m.seen, name)
			continue
		}
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// listUntold returns those names of which people were not told yet.
func (m *matches) listUntold(names []string) (untold []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.told == nil {
		m.told = make(map[string]bool)
	}
	for _, name := range names {
		if !m.told[name] {
			m.told[name] = true
			untold = append(untold, name)
		}
	}
	return untold
}
