package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// Identity returns the facts that identify the stream, and the subjects of it
// that are looked at, sorted; none if those are all.
func (p *Peeker) Identity() (domain string, createdUnixNano int64, filters []string) {
	info := p.stream.CachedInfo()
	return info.Domain, info.Created.UnixNano(), slices.Compact(sortFilters(p.filters))
}

// IsCompacted tells whether the stream keeps the last messages of a subject
// only.
func (p *Peeker) IsCompacted() bool { return keepsLastValues(&p.stream.CachedInfo().Config) }

// ReadEnd asks for the sequence behind the stream's last message.
func (p *Peeker) ReadEnd(ctx context.Context) (int64, error) {
	info, err := p.stream.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("nats stream %s: %w", p.name, err)
	}
	return int64(info.State.LastSeq) + 1, nil
}

// ConsumerPosition is how far the readers of a durable consumer are.
type ConsumerPosition struct {
	// Next is the sequence behind the messages that are acknowledged without a
	// gap. Some of those behind may be acknowledged too. If all are, it is that
	// of the next message for the readers, or the one behind the stream's last.
	Next int64
	// Waiting is how many requests for messages are open, and one more for a
	// reader to which the server sends messages without requests.
	Waiting int
}

// ReadConsumer asks for the position of a durable consumer. It is false if the
// stream has none of the name.
func (p *Peeker) ReadConsumer(ctx context.Context, name string) (at ConsumerPosition, ok bool, err error) {
	end, err := p.ReadEnd(ctx) // before the consumer: a message that comes between the answers is behind it
	if err != nil {
		return at, false, err
	}
	consumer, err := p.stream.Consumer(ctx, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return at, false, nil
	}
	if err != nil {
		return at, false, fmt.Errorf("nats stream %s, consumer %q: %w", p.name, name, err)
	}
	info := consumer.CachedInfo()
	at = ConsumerPosition{Next: int64(info.AckFloor.Stream) + 1, Waiting: info.NumWaiting}
	if info.PushBound {
		at.Waiting++
	}
	if info.Config.AckPolicy == jetstream.AckNonePolicy {
		at.Next = int64(info.Delivered.Stream) + 1
	}
	if at.Next < end && info.NumPending == 0 && info.NumAckPending == 0 {
		at.Next, err = p.skipOthers(ctx, at.Next, end, &info.Config)
	}
	return at, err == nil, err
}

// skipOthers returns the sequence of the first message at or behind a position
// that a consumer reads, or the given end if there is none. Those before it are
// deleted, or are for others: such a consumer does not move on by itself.
func (p *Peeker) skipOthers(
	ctx context.Context, next, end int64, c *jetstream.ConsumerConfig,
) (int64, error) {
	filters := c.FilterSubjects
	if c.FilterSubject != "" {
		filters = []string{c.FilterSubject}
	}
	// A consumer does not count a message that was published a moment ago, so
	// the stream is asked too.
	found, err := p.conn.findFirst(ctx, p.name, filters, uint64(next))
	switch {
	case err != nil:
		return 0, fmt.Errorf("nats stream %s: %w", p.name, err)
	case found != nil:
		return int64(found.sequence), nil
	}
	return end, nil
}
