package kafka

import (
	"context"
	"errors"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Errors of Sources and Sinks. Package cluster has those of topics, groups and
// connections.
var (
	// ErrFewPartitions says that a destination has fewer partitions than the
	// source.
	ErrFewPartitions = errors.New("too few partitions")
	// ErrOneForSeveral says that the messages of several topics would be
	// written to one.
	ErrOneForSeveral = errors.New("one destination for several topics")
	// ErrSmallRecords says that a destination does not take the largest record
	// that the source may give.
	ErrSmallRecords = errors.New("max.message.bytes is too small")
	// ErrNotExactlyOnce says that messages cannot be delivered exactly once
	// where that was asked for.
	ErrNotExactlyOnce = errors.New("exactly-once is not possible")
	// ErrTakenOver says that another run uses the transactional ids of this
	// one.
	ErrTakenOver = errors.New("another run of the same group and topic has taken over")
)

// passing are the errors with a cause that lies around a run and may pass:
// somebody grants a right, makes a topic, mends a password.
var passing = []error{
	kafkago.TopicAuthorizationFailed, kafkago.GroupAuthorizationFailed, kafkago.ClusterAuthorizationFailed,
	kafkago.TransactionalIDAuthorizationFailed, kafkago.SecurityDisabled, kafkago.SASLAuthenticationFailed,
	cluster.ErrNoTopic, dial.ErrCredentials, dial.ErrHungUp, ErrFewPartitions, ErrSmallRecords,
}

// markPassing marks an error for the pipeline if its cause may pass.
func markPassing(err error) error {
	for _, cause := range passing {
		if errors.Is(err, cause) {
			return pipeline.Passing(err)
		}
	}
	return err
}

// asLost returns err as pipeline.ErrLost if the lane may begin again after it.
// An error of ctx itself is returned unchanged.
func asLost(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, pipeline.ErrLost) || cluster.JudgeError(err) != cluster.Lost {
		return err
	}
	return fmt.Errorf("%w: %w", pipeline.ErrLost, err)
}
