package cluster

import (
	"errors"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

var (
	// ErrNoTopic says that a topic does not exist.
	ErrNoTopic = errors.New("no such topic")
	// ErrReplaced says that a topic was deleted and made again while it was in
	// use.
	ErrReplaced = errors.New("the topic was deleted and made again")
	// ErrGroupActive says that a bounded run cannot use the offsets of a group
	// that has members.
	ErrGroupActive = errors.New("the group has members")
)

// Outcome is the consequence of a broker's error.
type Outcome int

const (
	// Again says that the broker is busy or away, or leads no more: the same
	// request may be sent again.
	Again Outcome = iota
	// Lost says that the work in progress does not count: begin again from the
	// committed state.
	Lost
	// Final says that it will be refused again.
	Final
)

// JudgeError returns the consequence of err, which came from a request.
func JudgeError(err error) Outcome {
	if isConnectError(err) {
		return Again
	}
	code, ok := errors.AsType[kafkago.Error](err)
	switch {
	case !ok && wire.Retriable(err):
		return Again
	case !ok:
		return Final
	}
	switch code {
	case kafkago.UnknownTopicOrPartition, kafkago.UnknownTopicID, kafkago.InconsistentTopicID, // not on this broker yet
		kafkago.LeaderNotAvailable, kafkago.NotLeaderForPartition, kafkago.FencedLeaderEpoch,
		kafkago.UnknownLeaderEpoch,
		kafkago.BrokerNotAvailable, kafkago.ReplicaNotAvailable, kafkago.ListenerNotFound, kafkago.OffsetNotAvailable,
		kafkago.RequestTimedOut, kafkago.NetworkException, kafkago.NotEnoughReplicas,
		kafkago.NotEnoughReplicasAfterAppend,
		kafkago.GroupLoadInProgress, kafkago.GroupCoordinatorNotAvailable, kafkago.NotCoordinatorForGroup,
		kafkago.ConcurrentTransactions, kafkago.UnstableOffsetCommit, kafkago.NotController, kafkago.KafkaStorageError,
		kafkago.ThrottlingQuotaExceeded, errNotAttempted, kafkago.InvalidMessage: // the last is a broken checksum
		return Again
	case kafkago.TopicAuthorizationFailed, kafkago.GroupAuthorizationFailed, kafkago.ClusterAuthorizationFailed,
		kafkago.TransactionalIDAuthorizationFailed, kafkago.SecurityDisabled,
		kafkago.SASLAuthenticationFailed, kafkago.UnsupportedSASLMechanism, kafkago.IllegalSASLState,
		kafkago.MessageSizeTooLarge, kafkago.RecordListTooLarge, kafkago.OffsetMetadataTooLarge,
		kafkago.InvalidCommitOffsetSize,
		kafkago.InvalidTopic, kafkago.InvalidRequest, kafkago.InvalidRecord, kafkago.InvalidTimestamp,
		kafkago.InvalidRequiredAcks,
		kafkago.InvalidTransactionTimeout, kafkago.InvalidConfiguration, kafkago.InvalidGroupId,
		kafkago.PolicyViolation,
		kafkago.UnsupportedVersion, kafkago.UnsupportedForMessageFormat, kafkago.UnsupportedCompressionType:
		return Final
	default:
		// Members, generations and producers that the broker no longer knows,
		// sequence numbers that it did not expect, and every code of a later
		// version of Kafka.
		return Lost
	}
}

// isConnectError tells whether a connection was refused, could not be made
// because a service was away, or led into another cluster or to another
// service. Once a program runs, credentials that do not fit are being changed,
// perhaps on one of the two sides only, and so is where a name leads.
func isConnectError(err error) bool {
	_, refused := errors.AsType[*dial.RefusedError](err)
	_, away := errors.AsType[*dial.AwayError](err)
	return refused || away || errors.Is(err, dial.ErrOtherCluster) || errors.Is(err, dial.ErrMalformed)
}

// errNotAttempted is the code of a partition that was left out because of
// another one's error. (kafka-go has another name for it.)
const errNotAttempted = kafkago.Error(55)

// WorseOf returns the error that decides about a request which failed with
// both.
func WorseOf(a, b error) error {
	switch {
	case b == nil:
		return a
	case a == nil || JudgeError(b) > JudgeError(a):
		return b
	}
	return a
}

// ErrorFromCode returns the error for a broker's code; nil for 0.
func ErrorFromCode(code int16) error {
	if code == 0 {
		return nil
	}
	return kafkago.Error(code)
}
