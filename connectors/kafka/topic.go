package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// refreshInterval is the least time between two questions about one topic.
const refreshInterval = 50 * time.Millisecond

// topic is what is known of a topic: what it is and who leads its partitions. Whoever meets a leader that is
// none any more refreshes it for all.
type topic struct {
	cluster *Cluster
	name    string
	id      [16]byte // zero if the brokers are too old to say

	asking sync.Mutex // held while it is asked for
	mu     sync.RWMutex
	leads  []leader // by partition
	asked  time.Time
}

// leader is who leads a partition; the id is -1 while nobody does.
type leader struct{ id, epoch int32 }

// lookAgain is how many times more a topic is looked for before it counts as missing: it may have been made a
// moment ago, through another broker.
const lookAgain = 5

// lookForMade is the same for a topic that we have made: a broker that has just started may take seconds to hear of it, and
// this many tries are about ten.
const lookForMade = 16

// openTopic finds a topic. The error matches ErrNoTopic if there is none, nor turns up when it is looked for so
// many times again.
func openTopic(ctx context.Context, c *Cluster, name string, again int) (*topic, error) {
	t := &topic{cluster: c, name: name}
	found, err := t.ask(ctx, again)
	if err != nil {
		return nil, err
	}
	t.id = found.ID
	t.set(found)
	return t, nil
}

func (t *topic) ask(ctx context.Context, again int) (*wire.Topic, error) {
	r := retrier{what: "topic " + t.name, log: t.cluster.log}
	for {
		found, err := t.askOnce(ctx)
		if err == nil {
			return found, nil
		}
		if r.attempt >= again && errors.Is(err, kafkago.UnknownTopicOrPartition) {
			return nil, fmt.Errorf("kafka topic %s: %w", t.name, ErrNoTopic)
		}
		if err := r.after(ctx, err); err != nil {
			return nil, err
		}
	}
}

func (t *topic) askOnce(ctx context.Context) (*wire.Topic, error) {
	m, err := t.cluster.wire.Metadata(ctx, t.name)
	if err != nil {
		return nil, err
	}
	for i := range m.Topics {
		if m.Topics[i].Name == t.name {
			return &m.Topics[i], m.Topics[i].Err
		}
	}
	return nil, kafkago.UnknownTopicOrPartition
}

func (t *topic) set(found *wire.Topic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	leads := make([]leader, len(found.Partitions))
	for i := range leads {
		leads[i] = leader{id: -1, epoch: -1}
	}
	for _, p := range found.Partitions {
		if p.Partition >= 0 && int(p.Partition) < len(leads) {
			leads[p.Partition] = leader{id: p.Leader, epoch: p.LeaderEpoch}
		}
	}
	t.leads, t.asked = leads, time.Now()
}

// refresh asks again who leads, unless somebody did a moment ago. It does not wait for partitions that have no
// leader.
func (t *topic) refresh(ctx context.Context) error {
	t.asking.Lock()
	defer t.asking.Unlock()
	t.mu.RLock()
	recent := time.Since(t.asked) < refreshInterval
	t.mu.RUnlock()
	if recent {
		return nil
	}
	found, err := t.askOnce(ctx)
	switch {
	case err != nil:
		return err
	case found.ID != t.id && t.id != [16]byte{}:
		return fmt.Errorf("kafka topic %s: %w", t.name, ErrReplaced)
	}
	t.set(found)
	return nil
}

// still returns ErrReplaced if the topic is another one of its name. It looks only if the last request, which names the
// topic, is a pause ago: a request that fails in between would have told.
func (t *topic) still(ctx context.Context, last time.Time, pause time.Duration) error {
	if time.Since(last) < pause {
		return nil
	}
	if err := t.refresh(ctx); errors.Is(err, ErrReplaced) {
		return err
	}
	return nil
}

// partitions is how many there are.
func (t *topic) partitions() int32 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return int32(len(t.leads))
}

// all are the numbers of the partitions.
func (t *topic) all() []int32 {
	all := make([]int32, t.partitions())
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// leader is who leads a partition.
func (t *topic) leader(partition int32) leader {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if int(partition) >= len(t.leads) {
		return leader{id: -1, epoch: -1}
	}
	return t.leads[partition]
}
