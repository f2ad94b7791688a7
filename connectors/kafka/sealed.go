package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/membership"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// FreshPlaces returns the partitions of the topics for which the group has no
// offset at all, or without a group all partitions. Brokers forget the offsets
// of a group that has been empty for a week, so that an old group may look like
// a new one. Where the group has members it returns none: one of them may have
// begun a moment ago.
func (s *Source) FreshPlaces(ctx context.Context) ([]string, error) {
	partitions := s.chosenPartitions()
	fresh := func(string) bool { return true }
	if s.Group != "" {
		used, err := s.isGroupUsed(ctx)
		if err != nil || used {
			return nil, err
		}
		// An offset of any partition counts, also of one that is not read now.
		topics, err := layout{s}.findUsed(ctx, s.topics.partitionsAt(s.topics.Partitions()))
		if err != nil {
			return nil, err
		}
		fresh = func(topic string) bool { return !topics[topic] }
	}
	var places []string
	for _, p := range partitions {
		if place := s.topics.placeOf(p); fresh(cluster.TopicOf(place)) {
			places = append(places, place)
		}
	}
	return places, nil
}

// isGroupUsed tells whether the group has members.
func (s *Source) isGroupUsed(ctx context.Context) (used bool, err error) {
	err = s.cluster.RetryCall(ctx, "members of group "+s.Group, func(ctx context.Context) error {
		used, err = membership.HasMembers(ctx, s.memberOptions(nil))
		return err
	})
	return used, err
}

// confirmUnused returns an error if the group has members.
func (s *Source) confirmUnused(ctx context.Context) error {
	used, err := s.isGroupUsed(ctx)
	if used {
		err = fmt.Errorf("%w: %s", cluster.ErrGroupActive, s.Group)
	}
	return err
}

// findSealed returns where a partition goes on behind its last message in the
// destination, or its first offset if that has none.
func (s *Source) findSealed(ctx context.Context, partition int32, first, end int64) (int64, error) {
	place := s.topics.placeOf(partition)
	next, err := s.FindSealed(ctx, place)
	switch {
	case err != nil:
		return 0, err
	case next < 0:
		return first, nil
	case next > end:
		// Nobody has verified the envelopes in the destination.
		return 0, fmt.Errorf("kafka %s: the destination claims to hold its messages up to offset %d, and its end is %d",
			place, next-1, end)
	}
	return max(next, first), nil
}

// OpenPeekers opens the partitions in which messages of a place of the Source
// are, but for those that are empty. There are none if the destination is not
// open. Several goroutines may call it for different places.
func (s *Sink) OpenPeekers(ctx context.Context, place string) ([]*Peeker, error) {
	to, err := s.destinationFor(ctx, s.feedOf(place), false)
	if err != nil || to == nil {
		return nil, err
	}
	all, err := s.peeked.open(ctx, s, to)
	if err != nil {
		return nil, err
	}
	_, number, ok := cluster.SplitPlace(place)
	if !ok || s.Partition != SamePartition {
		return all, nil
	}
	return slices.DeleteFunc(slices.Clone(all), func(p *Peeker) bool { return p.number != number }), nil
}

// peekedTopic has the Peekers of the destination that was looked at last:
// places of one topic are looked at one after the other.
type peekedTopic struct {
	mu      sync.Mutex
	to      *destination
	at      time.Time
	peekers []*Peeker
}

// peekedTime is how long the ends of a destination are those of its Peekers.
const peekedTime = time.Second

func (t *peekedTopic) open(ctx context.Context, s *Sink, to *destination) ([]*Peeker, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.to == to && time.Since(t.at) < peekedTime {
		return t.peekers, nil
	}
	partitions := to.Partitions()
	ends, err := s.listHeld(ctx, to, partitions)
	if err != nil {
		return nil, err
	}
	t.to, t.at, t.peekers = to, time.Now(), nil
	if !slices.ContainsFunc(ends, func(end int64) bool { return end > 0 }) {
		return nil, nil // as a topic is that was made a moment ago
	}
	if err := s.cluster.CheckTopicRight(ctx, to.Name(), "Read"); err != nil {
		return nil, err
	}
	starts, err := to.ListOffsets(ctx, partitions, wire.Earliest)
	if err != nil {
		return nil, err
	}
	for i, number := range partitions {
		if starts[0][i] >= ends[i] {
			continue
		}
		t.peekers = append(t.peekers, &Peeker{
			topic: to.Topic, number: number, place: cluster.PlaceOf(to.Name(), number),
			first: starts[0][i], end: ends[i], codecMemory: batch.CodecMemoryFor(to.maxBatch),
		})
	}
	return t.peekers, nil
}

var errOpenDestination = errors.New("a transaction in the destination does not end")

// listHeld returns the offsets behind the last committed messages of a
// destination. With Start.Sealed it waits for the transactions that are open
// there now: they hide all records behind their first one, also those that were
// committed long ago, and those would be sealed again. A run with an end gives
// up as it does with a transaction in the source.
func (s *Sink) listHeld(ctx context.Context, to *destination, partitions []int32) ([]int64, error) {
	if s.Source == nil || !s.Source.Start.Sealed {
		rows, err := to.ListOffsets(ctx, partitions, wire.Latest)
		if err != nil {
			return nil, err
		}
		return rows[0], nil
	}
	if s.Source.Until.Bounded() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.Source.timing.giveUp, errOpenDestination)
		defer cancel()
	}
	var stable, ends []int64
	open := int32(-1)
	explain := func(ctx context.Context) []any { return describeOpenIn(ctx, to.Topic, open) }
	err := s.cluster.RetryExplained(ctx, "end of topic "+to.Name(), explain, func(ctx context.Context) error {
		now, err := to.ListEnds(ctx, partitions)
		if err != nil {
			return err
		}
		rows, err := to.ListOffsets(ctx, partitions, wire.Latest)
		if err != nil {
			return err
		}
		if ends == nil {
			ends = now
		}
		stable = rows[0]
		for i, number := range partitions {
			ends[i] = min(ends[i], now[i]) // of a log that was cut
			if stable[i] < ends[i] {
				open = number
				return fmt.Errorf("%s@%d: a transaction is open: %w",
					cluster.PlaceOf(to.Name(), number), stable[i], kafkago.UnstableOffsetCommit)
			}
		}
		return nil
	})
	return stable, err
}
