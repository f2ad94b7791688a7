package nats

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// pullExpiry is how long the server keeps a request for messages; heartbeat
	// is how often it says meanwhile that it has not forgotten.
	pullExpiry = 30 * time.Second
	heartbeat  = 5 * time.Second
	// temporaryFor is how long a consumer without a name outlives a process
	// that crashed. A long stop of the key service must not end it.
	temporaryFor = 24 * time.Hour
	// endTimeout bounds the last requests to the server.
	endTimeout = 5 * time.Second
)

// openConsumer binds to the consumer or creates it.
func (s *Source) openConsumer(ctx context.Context, stream jetstream.Stream) error {
	consumer, err := s.bindOrCreate(ctx, stream)
	if err != nil {
		return fmt.Errorf("nats stream %s, consumer %q: %w", s.Stream, s.Consumer, err)
	}
	info := consumer.CachedInfo()
	s.config, s.begun = info.Config, info.AckFloor.Stream+1
	s.backlog = s.measureBacklog(info.NumPending+uint64(info.NumAckPending), info.AckFloor.Stream)
	return nil
}

func (s *Source) bindOrCreate(ctx context.Context, stream jetstream.Stream) (jetstream.Consumer, error) {
	if s.Consumer == "" {
		return stream.CreateConsumer(ctx, s.newConsumer())
	}
	consumer, err := stream.Consumer(ctx, s.Consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		consumer, err = stream.CreateConsumer(ctx, s.newConsumer())
		if errors.Is(err, jetstream.ErrConsumerExists) { // another process was faster
			consumer, err = stream.Consumer(ctx, s.Consumer)
		}
	}
	if err != nil {
		return nil, err
	}
	return consumer, s.describeDrift(consumer.CachedInfo().Config)
}

// ackPolicy is that of a consumer that is made. One acknowledgement for many
// messages is sent where one process reads in order, and where the server can
// reset the consumer: it ignores acknowledgements of messages that were
// delivered before a redelivery, and a reset is the only remedy. A work queue
// takes no such acknowledgement.
func (s *Source) ackPolicy() jetstream.AckPolicy {
	if s.Shared || !s.conn.canReset() || s.streamConfig.Retention == jetstream.WorkQueuePolicy {
		return jetstream.AckExplicitPolicy
	}
	return jetstream.AckAllPolicy
}

func (s *Source) newConsumer() jetstream.ConsumerConfig {
	cfg := jetstream.ConsumerConfig{
		Name:           s.Consumer,
		Durable:        s.Consumer,
		Description:    "streamcrypt",
		FilterSubjects: s.Filters,
		AckPolicy:      s.ackPolicy(),
		AckWait:        s.AckWait,
		MaxAckPending:  s.MaxAckPending,
		MaxDeliver:     -1, // else the server skips a message for ever after as many failures
	}
	if s.Route != "" {
		cfg.Metadata = map[string]string{metadataRoute: s.Route}
	}
	if s.Consumer == "" {
		cfg.Name = "streamcrypt-" + rand.Text()
		cfg.InactiveThreshold = temporaryFor
	}
	switch {
	case s.resume.known:
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, max(s.resume.next, 1)
	case s.Start.Sequence > 0:
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, s.Start.Sequence
	case !s.Start.Time.IsZero():
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &s.Start.Time
	case s.Start.New:
		cfg.DeliverPolicy = jetstream.DeliverNewPolicy
	}
	return cfg
}

// describeDrift returns an error that lists the settings of an existing
// consumer which would lose messages, or read others than were asked for.
func (s *Source) describeDrift(cfg jetstream.ConsumerConfig) error {
	filters := filtersOf(&cfg)
	var found []string
	differs := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	switch {
	case cfg.AckPolicy == jetstream.AckExplicitPolicy:
	case cfg.AckPolicy != jetstream.AckAllPolicy:
		differs("its ack policy is %v, not AckExplicit", cfg.AckPolicy)
	case s.Shared:
		differs("its ack policy is AckAll, under which processes that share it acknowledge each other's messages")
	case !s.conn.canReset():
		differs("its ack policy is AckAll, which needs a server that can reset it (2.14)")
	}
	if !sameSubjects(filters, s.Filters) {
		differs("it reads subjects %q, not %q", filters, s.Filters)
	}
	if cfg.MaxDeliver > 0 && !s.findsGivenUp(&cfg) {
		differs("its MaxDeliver is %d, not -1: after as many deliveries a message is skipped for ever; "+
			"an owner finds such messages on a server that can reset it (2.14), and shared=true where it is above 1",
			cfg.MaxDeliver)
	}
	if cfg.HeadersOnly {
		differs("it delivers headers only")
	}
	if len(cfg.PriorityGroups) > 0 {
		differs("it has priority groups")
	}
	if cfg.MaxRequestBatch > 0 || cfg.MaxRequestMaxBytes > 0 && cfg.MaxRequestMaxBytes < s.window ||
		cfg.MaxRequestExpires > 0 && cfg.MaxRequestExpires < pullExpiry {
		differs("it limits requests (max_batch, max_bytes or max_expires) to less than is asked for")
	}
	if len(found) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s (change it, or name another)", ErrConsumerDiffers, strings.Join(found, "; "))
}

// metadataRoute is the key under which a consumer names its route.
const metadataRoute = "streamcrypt-route"

// ErrConsumerDiffers is the error of a consumer that exists and is not as it
// must be.
var ErrConsumerDiffers = errors.New("the consumer exists and differs")

func sameSubjects(a, b []string) bool { return slices.Equal(sortFilters(a), sortFilters(b)) }

// sortFilters returns filters in order; none where one takes all.
func sortFilters(filters []string) []string {
	if len(filters) == 1 && filters[0] == ">" {
		return nil
	}
	return slices.Sorted(slices.Values(filters))
}

// effectiveAckWait is how long the server waits for a word about a message. A
// consumer's BackOff replaces its AckWait.
func (s *Source) effectiveAckWait() time.Duration {
	if len(s.config.BackOff) > 0 {
		return slices.Min(s.config.BackOff)
	}
	return s.config.AckWait
}

// lookUp tells whether the consumer is still there, and gives a fresh handle.
func (s *Source) lookUp(ctx context.Context) (jetstream.Consumer, error) {
	return s.conn.js.Consumer(ctx, s.Stream, s.config.Name)
}

// closeConsumer deletes a consumer that nobody can name again.
func (s *Source) closeConsumer() {
	if s.Consumer != "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if err := s.conn.js.DeleteConsumer(ctx, s.Stream, s.config.Name); err != nil {
		s.Log.Warn("temporary nats consumer not deleted", "stream", s.Stream, "consumer", s.config.Name, "error", err)
	}
}

// notePause says that the consumer is paused, once for each pause: a run that
// waits must say for what.
func (s *Source) notePause(info *jetstream.ConsumerInfo) {
	if !info.Paused {
		s.paused.Store(false)
		return
	}
	if !s.paused.Swap(true) {
		s.Log.Warn("nats consumer is paused, so nothing is read (nats consumer resume ends the pause)",
			"stream", s.Stream, "consumer", info.Name, "for", info.PauseRemaining.Round(time.Second))
	}
}
