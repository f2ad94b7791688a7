package kafka

import (
	"context"
	"errors"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

var (
	// ErrNoTopic says that a topic does not exist.
	ErrNoTopic = errors.New("no such topic")
	// ErrReplaced says that a topic was deleted and made again while it was in use.
	ErrReplaced = errors.New("the topic was deleted and made again")
	// ErrGroupActive says that a bounded run cannot use the offsets of a group that has members.
	ErrGroupActive = errors.New("the group has members")
	// ErrFewPartitions says that a destination has fewer partitions than the source.
	ErrFewPartitions = errors.New("too few partitions")
	// ErrSmallRecords says that a destination does not take the largest record that the source may give.
	ErrSmallRecords = errors.New("max.message.bytes is too small")
	// ErrNotExactlyOnce says that messages cannot be delivered exactly once where that was asked for.
	ErrNotExactlyOnce = errors.New("exactly-once is not possible")
	// ErrRefused says that the brokers do not accept the credentials.
	ErrRefused = errors.New("credentials refused")
	// ErrHungUp says that brokers close new connections, which is how some of them answer a wrong password, and all of
	// them a client that does not speak TLS.
	ErrHungUp = errors.New("the broker hangs up")
	// ErrTakenOver says that another run uses the transactional ids of this one.
	ErrTakenOver = errors.New("another run of the same group and topic has taken over")
)

// outcome says what follows from an error of a broker.
type outcome int

const (
	again outcome = iota // the broker is busy or away, or leads no more: the same request may be sent again
	lost                 // what we were in the middle of does not count: begin again from what is committed
	final                // it will be refused again
)

// judge tells what follows from err, which came from a request.
func judge(err error) outcome {
	code, ok := errors.AsType[kafkago.Error](err)
	switch {
	case !ok && wire.Retriable(err):
		return again
	case !ok:
		return final
	}
	switch code {
	case kafkago.UnknownTopicOrPartition, kafkago.UnknownTopicID, kafkago.InconsistentTopicID, // not on this broker yet
		kafkago.LeaderNotAvailable, kafkago.NotLeaderForPartition, kafkago.FencedLeaderEpoch, kafkago.UnknownLeaderEpoch,
		kafkago.BrokerNotAvailable, kafkago.ReplicaNotAvailable, kafkago.ListenerNotFound, kafkago.OffsetNotAvailable,
		kafkago.RequestTimedOut, kafkago.NetworkException, kafkago.NotEnoughReplicas, kafkago.NotEnoughReplicasAfterAppend,
		kafkago.GroupLoadInProgress, kafkago.GroupCoordinatorNotAvailable, kafkago.NotCoordinatorForGroup,
		kafkago.ConcurrentTransactions, kafkago.UnstableOffsetCommit, kafkago.NotController, kafkago.KafkaStorageError,
		kafkago.ThrottlingQuotaExceeded, errNotAttempted, kafkago.InvalidMessage: // the last is a broken checksum
		return again
	case kafkago.TopicAuthorizationFailed, kafkago.GroupAuthorizationFailed, kafkago.ClusterAuthorizationFailed,
		kafkago.TransactionalIDAuthorizationFailed, kafkago.SecurityDisabled,
		kafkago.SASLAuthenticationFailed, kafkago.UnsupportedSASLMechanism, kafkago.IllegalSASLState,
		kafkago.MessageSizeTooLarge, kafkago.RecordListTooLarge, kafkago.OffsetMetadataTooLarge, kafkago.InvalidCommitOffsetSize,
		kafkago.InvalidTopic, kafkago.InvalidRequest, kafkago.InvalidRecord, kafkago.InvalidTimestamp, kafkago.InvalidRequiredAcks,
		kafkago.InvalidTransactionTimeout, kafkago.InvalidConfiguration, kafkago.InvalidGroupId, kafkago.PolicyViolation,
		kafkago.UnsupportedVersion, kafkago.UnsupportedForMessageFormat, kafkago.UnsupportedCompressionType:
		return final
	default:
		// Members, generations and producers that the broker no longer knows, sequence numbers that it did not
		// expect, and whatever a later version of Kafka says.
		return lost
	}
}

// lose turns an error that ends a lane's work into what the pipeline must know: pipeline.ErrLost if the lane
// may begin again. An error of ctx itself stays what it is.
func lose(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, pipeline.ErrLost) || judge(err) != lost {
		return err
	}
	return fmt.Errorf("%w: %w", pipeline.ErrLost, err)
}

// errNotAttempted is the code of a partition that was left out because of another one's error. (kafka-go has
// another name for it.)
const errNotAttempted = kafkago.Error(55)

// worse returns that of two errors which decides about a request.
func worse(a, b error) error {
	switch {
	case b == nil:
		return a
	case a == nil || judge(b) > judge(a):
		return b
	}
	return a
}

// coded returns the error that a broker's code stands for.
func coded(code int16) error {
	if code == 0 {
		return nil
	}
	return kafkago.Error(code)
}
