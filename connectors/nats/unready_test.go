package nats

import (
	"context"
	"errors"
	"fmt"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestIsUnready(t *testing.T) {
	t.Parallel()
	for _, is := range []struct {
		err  error
		want bool
	}{
		{fmt.Errorf("bucket: %w", natsgo.ErrNoResponders), true},
		{&jetstream.APIError{Code: 503, ErrorCode: 10008}, true},
		{fmt.Errorf("stream: %w", context.DeadlineExceeded), true},
		{fmt.Errorf("%w: %w", natsgo.ErrPermissionViolation, context.DeadlineExceeded), false},
		{&jetstream.APIError{Code: 404}, false},
		{jetstream.ErrJetStreamNotEnabled, false},
		{jetstream.ErrJetStreamNotEnabledForAccount, false},
		{jetstream.ErrStreamNotFound, false},
		{errors.New("another"), false},
		{nil, false},
	} {
		if got := IsUnready(is.err); got != is.want {
			t.Errorf("%v: %v", is.err, got)
		}
	}
}
