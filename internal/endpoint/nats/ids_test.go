package nats

import (
	"context"
	"fmt"
	"testing"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
)

func TestMayGoWithout(t *testing.T) {
	t.Parallel()
	noRights := fmt.Errorf("bucket: %w", connector.ErrNoLease)
	for _, is := range []struct {
		err  error
		kept bool
		want bool
	}{
		{noRights, false, true},
		{noRights, true, false},
		{context.DeadlineExceeded, false, false},
		{nil, false, false},
	} {
		if got := mayGoWithout(is.err, is.kept); got != is.want {
			t.Errorf("%v, %v: %v", is.err, is.kept, got)
		}
	}
}
