package kafka

import (
	"context"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
)

// watchLeaders asks about the topics again and again, each time another broker.
// A leader that is cut off from the other brokers does not know that there is a
// new one: it answers fetches well, and has nothing new. Nothing but another
// broker tells.
func (s *Source) watchLeaders(ctx context.Context) {
	ticker := time.NewTicker(s.timing.leaders)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		var topics []*cluster.Topic
		for _, t := range s.topics.allTopics() {
			if t.MissingSince().IsZero() && !t.IsReplaced() {
				topics = append(topics, t.Topic)
			}
		}
		s.cluster.AskLeaders(ctx, topics) // missing ones are noticed elsewhere
	}
}
