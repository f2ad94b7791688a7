package cluster

import (
	"context"
	"errors"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// deletedTime is how long the brokers must not know a topic before its offsets
// need not be committed any more. It is less than the time that a transaction
// may be open.
const deletedTime = 5 * time.Second

// deletedTopics are topics of which offsets could not be committed because the
// coordinator does not know them.
type deletedTopics struct {
	mu    sync.Mutex
	since map[string]time.Time
}

// ForgiveDeleted returns nil for the error of a topic's offset if the topic was
// deleted: there is nothing to go back to, and the offsets of other topics must
// not wait for it. It asks any broker, since a coordinator may not know a topic
// yet. Other errors are returned as they are.
func (c *Cluster) ForgiveDeleted(ctx context.Context, topic string, err error) error {
	if err == nil {
		c.deleted.forget(topic)
		return nil
	}
	if !errors.Is(err, kafkago.UnknownTopicOrPartition) {
		return err
	}
	m, asking := c.AskMetadata(ctx, topic)
	if asking != nil {
		return err
	}
	d := &c.deleted
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(m.Topics) != 1 || !errors.Is(m.Topics[0].Err, kafkago.UnknownTopicOrPartition) {
		delete(d.since, topic)
		return err
	}
	if d.since == nil {
		d.since = make(map[string]time.Time)
	}
	first, known := d.since[topic]
	if !known {
		d.since[topic] = time.Now()
		return err
	}
	if time.Since(first) < deletedTime {
		return err
	}
	c.log.Warn("kafka: a topic was deleted before the offsets of what was read of it were committed", "topic", topic)
	return nil
}

// forget has the next absence of a topic count from its own beginning.
func (d *deletedTopics) forget(topic string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.since, topic)
}
