package nats

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// laggingBucket plays a replica that has an entry later than the leader.
type laggingBucket struct {
	jetstream.KeyValue
	late int // answers without it
}

func (k *laggingBucket) Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	if k.late > 0 {
		k.late--
		return nil, jetstream.ErrKeyNotFound
	}
	return k.KeyValue.Get(ctx, key)
}

// TestSecretOfALaggingReplica: another process has just made the secret.
func TestSecretOfALaggingReplica(t *testing.T) {
	t.Parallel()
	c := startBroker(t, nil).connect()
	want, err := LoadIDSecret(t.Context(), c, "leases", "x")
	if err != nil {
		t.Fatal(err)
	}
	kv, err := c.js.KeyValue(t.Context(), "leases")
	if err != nil {
		t.Fatal(err)
	}
	got, err := loadSecret(t.Context(), c, &laggingBucket{KeyValue: kv, late: 3}, "secret.x")
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("another secret, or %v", err)
	}
}

// TestNoLease: only a fault that no other try would mend lets a run go on
// without the bucket.
func TestNoLease(t *testing.T) {
	t.Parallel()
	c := &Conn{log: quiet, nc: &natsgo.Conn{}, api: jetstream.DefaultAPIPrefix}
	for err, final := range map[error]bool{
		natsgo.ErrPermissionViolation:              true,
		jetstream.ErrJetStreamNotEnabled:           true,
		jetstream.ErrJetStreamNotEnabledForAccount: true,
		context.DeadlineExceeded:                   false,
		natsgo.ErrTimeout:                          false,
		natsgo.ErrNoResponders:                     false,
		natsgo.ErrDisconnected:                     false,
		&jetstream.APIError{Code: 503}:             false,
		&jetstream.APIError{Code: 403}:             true,
	} {
		got := c.explainBucket("leases", time.Now(), err)
		if !errors.Is(got, err) || errors.Is(got, ErrNoLease) != final {
			t.Errorf("%v: %v", err, got)
		}
	}
	started := time.Now()
	c.noteError(fmt.Errorf(`%w for Publish to "$KV.other.key"`, natsgo.ErrPermissionViolation))
	if got := c.explainBucket("leases", started, context.DeadlineExceeded); errors.Is(got, ErrNoLease) {
		t.Errorf("the right to another bucket: %v", got)
	}
	c.noteError(fmt.Errorf(`%w for Publish to "$KV.leases.key"`, natsgo.ErrPermissionViolation))
	if got := c.explainBucket("leases", started, context.DeadlineExceeded); !errors.Is(got, ErrNoLease) {
		t.Errorf("a request that was not answered for want of a right: %v", got)
	}
}
