package nats

import (
	"context"
	"errors"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// IsUnready tells whether an error of opening a stream or a bucket may pass by
// itself: a cluster that has just started, or that lost a node, elects leaders,
// and a bucket that another process has just made has none yet. Then nobody
// answers, or not in time. A missing right, for which the server does not
// answer either, is named in the error.
func IsUnready(err error) bool {
	if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
		return false // both have the code 503, too
	}
	for _, passing := range []error{natsgo.ErrNoResponders, natsgo.ErrTimeout, context.DeadlineExceeded} {
		if errors.Is(err, passing) {
			return !isDenied(err)
		}
	}
	var api *jetstream.APIError
	return errors.As(err, &api) && api.Code == 503
}
