package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Error says which request failed and where. Err is a kafka.Error if the broker
// refused the request, and otherwise the error of the connection. The error of
// a single partition is a plain kafka.Error.
type Error struct {
	API    protocol.ApiKey
	Broker int32 // -1 if it was not a certain one
	Err    error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Broker < 0 {
		return fmt.Sprintf("%s: %v", e.API, e.Err)
	}
	return fmt.Sprintf("%s, broker %d: %v", e.API, e.Broker, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// VersionError says that a broker does not speak a request as this package
// needs it.
type VersionError struct {
	API        protocol.ApiKey
	Need       int16
	Least, Has int16 // versions of the broker; Has is -1 if it does not know the request
}

// Error implements error.
func (e *VersionError) Error() string {
	switch {
	case e.Has < 0:
		return fmt.Sprintf("broker too old: it has no %s; Kafka 2.5 or later is needed", e.API)
	case e.Has < e.Need:
		return fmt.Sprintf("broker too old: %s version %d, %d is needed (Kafka 2.5 or later)", e.API, e.Has, e.Need)
	}
	return fmt.Sprintf("broker too new: %s from version %d, %d is needed", e.API, e.Least, e.Need)
}

var (
	// ErrMalformed says that an answer is not as the protocol describes it.
	ErrMalformed = errors.New("malformed answer")
	// ErrUnanswered is the error of a partition that the answer left out. It is
	// retriable.
	ErrUnanswered = errors.New("the answer lacks this partition")
	// ErrAnswerTooLarge says that an answer exceeds Client.MaxAnswer.
	ErrAnswerTooLarge = errors.New("answer too large")
)

// Retriable says whether the same request may succeed later: a leader that
// moved, a broker that restarts, a network that is away. The deadline of an
// exchange is retriable, and so is the one of the caller's context: the caller
// knows its own. Refusals are not retriable: credentials, certificates,
// permissions, versions.
func Retriable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if code, ok := errors.AsType[kafka.Error](err); ok {
		return isRetriableCode(code)
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return false
	}
	if errors.Is(err, ErrUnanswered) || errors.Is(err, ErrInterrupted) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	_, ok := errors.AsType[net.Error](err)
	return ok
}

// isRetriableCode adds codes that kafka-go leaves out: every broker reports
// them from time to time.
func isRetriableCode(code kafka.Error) bool {
	switch code {
	case kafka.BrokerNotAvailable, kafka.ReplicaNotAvailable, kafka.ConcurrentTransactions:
		return true
	default:
		return code.Temporary()
	}
}

// codeError gives nil for 0.
func codeError(code int16) error {
	if code == 0 {
		return nil
	}
	return kafka.Error(code)
}
