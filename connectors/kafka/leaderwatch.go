package kafka

import (
	"context"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// watchLeaders asks about the topics again and again, each time another broker.
// A leader that is cut off from the other brokers does not know that there is a
// new one: it answers fetches well, and has nothing new. Nothing but another
// broker tells.
func (s *Source) watchLeaders(ctx context.Context) {
	ticker := time.NewTicker(s.timing.watch)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		var names []string
		for _, t := range s.topics.allTopics() {
			if t.MissingSince().IsZero() && !t.IsReplaced() {
				names = append(names, t.Name())
			}
		}
		if len(names) == 0 {
			continue
		}
		m, err := s.cluster.AskInTurn(ctx, names...)
		if err != nil {
			continue // the next broker may know more
		}
		for i := range m.Topics {
			s.noteLeaders(&m.Topics[i])
		}
	}
}

// noteLeaders takes over the leaders that a broker names for a topic. Missing
// topics are noticed elsewhere.
func (s *Source) noteLeaders(found *wire.Topic) {
	if found.Err != nil || len(found.Partitions) == 0 {
		return
	}
	if t := s.topics.find(found.Name); t != nil && t.ID() == found.ID {
		_ = t.Note(found) // it is the same topic
	}
}
