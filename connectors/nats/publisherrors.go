package nats

import (
	"errors"
	"fmt"
	"net"
	"strings"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// rejectOf returns the Reject of a message that the server does not take, and
// nil for all other errors.
func (s *Sink) rejectOf(err error) *pipeline.Reject {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return nil
	}
	switch {
	case api.ErrorCode == errMessageSize, api.ErrorCode == errHeaderSize:
		return &pipeline.Reject{
			Reason: pipeline.ReasonTooLarge, Err: fmt.Errorf("too-large: stream %s: %w", s.Stream, err),
		}
	case api.ErrorCode == errStoreFailed && strings.Contains(api.Description, subjectIsFull):
		return &pipeline.Reject{
			Reason: pipeline.ReasonRefused,
			Err:    fmt.Errorf("refused: stream %s takes no more messages of this subject: %w", s.Stream, err),
		}
	}
	return nil
}

// Codes of the server for a message that it will never take as it is.
const (
	errMessageSize jetstream.ErrorCode = 10054 // above the stream's max_msg_size
	errHeaderSize  jetstream.ErrorCode = 10097 // headers above 64 KiB
)

// The server has one code for everything that keeps it from storing a message.
// Room in the stream may come by itself; with discard_new_per_subject nothing
// makes room but a person, and only this subject waits for it.
const (
	errStoreFailed jetstream.ErrorCode = 10077
	subjectIsFull                      = "maximum messages per subject exceeded"
)

// isTransient tells whether an error of a publish may pass: the connection is
// down, the stream has no leader, no room or no time. Others would come again
// with every attempt.
func isTransient(err error) bool {
	if errors.Is(err, errFence) {
		return true
	}
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code >= 500 || api.Code == 408 || api.Code == 429
	}
	for _, passing := range []error{
		natsgo.ErrDisconnected, natsgo.ErrConnectionReconnecting, natsgo.ErrReconnectBufExceeded,
		natsgo.ErrTimeout, natsgo.ErrNoResponders, natsgo.ErrStaleConnection,
		jetstream.ErrNoStreamResponse, jetstream.ErrAsyncPublishTimeout, jetstream.ErrTooManyStalledMsgs,
		errBatchUnderWay,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	var network net.Error
	return errors.As(err, &network)
}
