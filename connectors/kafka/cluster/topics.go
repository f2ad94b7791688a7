package cluster

import (
	"context"
	"errors"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// RefreshTopics asks about several topics with one request, but for those that
// were asked about less than Options.Refresh ago. Partitions of a topic that
// the brokers do not know have no leaders until they do: see
// Topic.MissingSince. One that was replaced keeps its leaders: see
// Topic.IsReplaced.
func (c *Cluster) RefreshTopics(ctx context.Context, topics []*Topic) error {
	due := make(map[string]*Topic)
	var names []string
	for _, t := range topics {
		if t.isDue() {
			due[t.name] = t
			names = append(names, t.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	m, err := c.AskMetadata(ctx, names...)
	if err != nil {
		return err
	}
	for i := range m.Topics {
		found := &m.Topics[i]
		t := due[found.Name]
		switch {
		case t == nil || errors.Is(found.Err, kafkago.UnknownTopicOrPartition):
		case found.Err != nil: // nothing is new
			delete(due, found.Name)
		default:
			delete(due, found.Name)
			_ = t.Note(found) // IsReplaced tells
		}
	}
	for _, t := range due {
		t.noteMissing()
	}
	return nil
}

// AskLeaders asks once about topics, each time another broker, and takes over
// the leaders that it names. Nothing changes without an answer, or for a topic
// that it takes for another one.
func (c *Cluster) AskLeaders(ctx context.Context, topics []*Topic) {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.name
	}
	if len(names) == 0 {
		return
	}
	m, err := c.AskInTurn(ctx, names...)
	if err != nil {
		return // the next broker may know more
	}
	byName := make(map[string]*Topic, len(topics))
	for _, t := range topics {
		byName[t.name] = t
	}
	for i := range m.Topics {
		found := &m.Topics[i]
		if found.Err != nil || len(found.Partitions) == 0 {
			continue
		}
		if t := byName[found.Name]; t != nil && t.ID() == found.ID {
			_ = t.Note(found) // it is the same topic
		}
	}
}

func (t *Topic) isDue() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return !t.replaced && time.Since(t.asked) >= t.cluster.options.Refresh
}

func (t *Topic) noteMissing() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked = time.Now()
	if t.missing.IsZero() {
		t.missing = t.asked
	}
	for i := range t.leads {
		t.leads[i] = Leader{Broker: -1, Epoch: -1}
	}
}

// MissingSince returns since when the brokers do not know the topic, as far as
// RefreshTopics has asked; the zero Time if they do. It may have been deleted,
// or a broker has just started.
func (t *Topic) MissingSince() time.Time {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.missing
}

// IsReplaced tells whether the topic was deleted and made again.
func (t *Topic) IsReplaced() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.replaced
}
