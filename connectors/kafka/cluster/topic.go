package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// Topic knows a topic's id and who leads its partitions. It is shared: a user
// that meets a leader which leads no more refreshes it for all. It is safe for
// concurrent use.
type Topic struct {
	cluster *Cluster
	name    string

	asking   sync.Mutex // held while it is asked for
	mu       sync.RWMutex
	id       [16]byte // zero if the brokers are too old to say
	leads    []Leader // by partition
	asked    time.Time
	missing  time.Time // since when the brokers do not know it; zero if they do
	replaced bool
}

// Leader returns the leader of a partition.
type Leader struct{ Broker, Epoch int32 }

// LookTries is how often a missing topic is looked for again: it may have been
// made a moment ago, through another broker.
const LookTries = 6

// LookTriesForMade is the same for a topic that we have made. A broker that has
// just started may take seconds to hear of it, and so many tries take about
// ten.
const LookTriesForMade = 20

// OpenTopic finds a topic. The error matches ErrNoTopic if the topic is still
// missing after retries more tries.
func (c *Cluster) OpenTopic(ctx context.Context, name string, retries int) (*Topic, error) {
	t := &Topic{cluster: c, name: name}
	if err := t.Await(ctx, retries); err != nil {
		return nil, err
	}
	return t, nil
}

// Await finds the topic: see OpenTopic.
func (t *Topic) Await(ctx context.Context, retries int) error {
	found, err := t.askRepeatedly(ctx, retries)
	if err != nil {
		return err
	}
	return t.Note(found)
}

// NewTopic returns a topic that nothing is known of yet. It is not found before
// a Refresh.
func (c *Cluster) NewTopic(name string) *Topic {
	return &Topic{cluster: c, name: name, missing: time.Now()}
}

func (t *Topic) askRepeatedly(ctx context.Context, retries int) (*wire.Topic, error) {
	r := t.cluster.NewRetry("topic " + t.name)
	for {
		found, err := t.askOnce(ctx)
		if err == nil {
			return found, nil
		}
		if r.Tries() >= retries && errors.Is(err, kafkago.UnknownTopicOrPartition) {
			return nil, fmt.Errorf("kafka topic %s: %w", t.name, ErrNoTopic)
		}
		if err := r.Wait(ctx, err); err != nil {
			return nil, err
		}
	}
}

func (t *Topic) askOnce(ctx context.Context) (*wire.Topic, error) {
	m, err := t.cluster.AskMetadata(ctx, t.name)
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

// Note takes over what a broker knows. The error is ErrReplaced if that is
// another topic of the same name.
func (t *Topic) Note(found *wire.Topic) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.id == [16]byte{} {
		t.id = found.ID
	}
	if found.ID != t.id {
		t.replaced, t.missing = true, time.Time{}
		return fmt.Errorf("kafka topic %s: %w", t.name, ErrReplaced)
	}
	t.missing = time.Time{}
	leads := make([]Leader, len(found.Partitions))
	for i := range leads {
		leads[i] = Leader{Broker: -1, Epoch: -1}
	}
	for _, p := range found.Partitions {
		if p.Partition >= 0 && int(p.Partition) < len(leads) {
			leads[p.Partition] = t.laterOf(p.Partition, Leader{Broker: p.Leader, Epoch: p.LeaderEpoch})
		}
	}
	if t.id != [16]byte{} && len(leads) < len(t.leads) {
		// Nobody can take partitions away: this broker has not heard of them.
		leads = slices.Concat(leads, t.leads[len(leads):])
	}
	t.leads, t.asked = leads, time.Now()
	return nil
}

// laterOf returns the later of the leader that is known and one that a broker
// names: a broker that is cut off from the others names those of before. Epochs
// of one topic never fall. A topic without an id may be another one by now.
func (t *Topic) laterOf(partition int32, found Leader) Leader {
	if t.id == [16]byte{} || int(partition) >= len(t.leads) || found.Epoch < 0 {
		return found
	}
	if known := t.leads[partition]; known.Epoch > found.Epoch {
		return known
	}
	return found
}

// Refresh asks again who leads, unless that was asked less than Options.Refresh
// ago. It does not wait for partitions that have no leader.
func (t *Topic) Refresh(ctx context.Context) error {
	t.asking.Lock()
	defer t.asking.Unlock()
	t.mu.RLock()
	recent := time.Since(t.asked) < t.cluster.options.Refresh
	t.mu.RUnlock()
	if recent {
		return nil
	}
	found, err := t.askOnce(ctx)
	if err != nil {
		return err
	}
	return t.Note(found)
}

// ConfirmIdentity asks in any case, until it is answered, and returns
// ErrReplaced if the topic was deleted and made again.
func (t *Topic) ConfirmIdentity(ctx context.Context) error {
	return t.cluster.RetryCall(ctx, "topic "+t.name, func(ctx context.Context) error {
		found, err := t.askOnce(ctx)
		if err != nil {
			return err
		}
		return t.Note(found)
	})
}

// Cluster returns the way to the topic's cluster.
func (t *Topic) Cluster() *Cluster { return t.cluster }

// Name returns the topic's name.
func (t *Topic) Name() string { return t.name }

// ID returns the topic's id; zero if the brokers are too old to have one.
func (t *Topic) ID() [16]byte {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.id
}

// PartitionCount returns how many partitions there were when the brokers were
// last asked.
func (t *Topic) PartitionCount() int32 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return int32(len(t.leads))
}

// Partitions returns the numbers of the partitions.
func (t *Topic) Partitions() []int32 {
	all := make([]int32, t.PartitionCount())
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// Leader is who leads a partition.
func (t *Topic) Leader(partition int32) Leader {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if int(partition) >= len(t.leads) {
		return Leader{Broker: -1, Epoch: -1}
	}
	return t.leads[partition]
}
