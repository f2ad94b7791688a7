package kafka

import (
	"context"
	"fmt"
	"slices"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
)

// Of several topics one may be deleted, or deleted and made again, while the
// others go on. A member's partitions of a topic that is missing stand still
// until the group takes them away, or the topic is there again. A run with an
// end did not get there, and its places are parked. So are those of a topic
// that was made again: its offsets count other records.

// lookForGone is how often topics that are missing are looked for.
const lookForGone = time.Second

// isGone tells whether a partition is of a topic that nobody needs to look for
// before the next refresh.
func (in *fetcher) isGone(p *partition) bool {
	return p.topic.IsReplaced() || in.topics.isMissing(p.slot)
}

// queueGone queues a fault for each partition that can be read no more.
func (in *fetcher) queueGone(ctx context.Context) {
	if !in.topics.names.MayBeSeveral() {
		return // the whole lane ends
	}
	missing := slices.ContainsFunc(in.parts, func(p *partition) bool { return !p.topic.MissingSince().IsZero() })
	if missing && time.Since(in.looked) > lookForGone {
		_ = in.topics.Refresh(ctx)
		in.looked = time.Now()
	}
	for _, p := range in.parts {
		if p.parked || p.isFinished() || p.fault != nil {
			continue
		}
		if err := in.goneError(p); err != nil {
			p.fault = markPassing(err)
			in.queue = append(in.queue, p)
		}
	}
}

// goneError returns why a partition can be read no more; nil if it can.
func (in *fetcher) goneError(p *partition) error {
	since := p.topic.MissingSince()
	switch {
	case p.topic.IsReplaced():
		return fmt.Errorf("kafka topic %s: %w", p.topic.Name(), cluster.ErrReplaced)
	case p.stopAt >= 0 && !since.IsZero() && time.Since(since) > missingTime:
		return fmt.Errorf("kafka topic %s: %w", p.topic.Name(), cluster.ErrNoTopic)
	}
	return nil
}

// awaitLeader waits and looks who leads, since nobody leads a partition that is
// to be read.
func (in *fetcher) awaitLeader(ctx context.Context) error {
	if !in.topics.names.MayBeSeveral() {
		return in.retryLater(ctx, kafkago.LeaderNotAvailable)
	}
	for _, p := range in.parts {
		if err := in.goneError(p); err != nil && !p.isFinished() {
			return err // every partition that is left has such an error
		}
	}
	return in.retryLater(ctx, kafkago.LeaderNotAvailable)
}
