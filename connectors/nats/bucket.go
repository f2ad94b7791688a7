package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// openBucket opens the bucket of leases, or makes it as strong as the stream.
func openBucket(ctx context.Context, conn *Conn, bucket string, replicas int) (jetstream.KeyValue, error) {
	started := time.Now()
	kv, err := conn.js.KeyValue(ctx, bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = conn.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: bucket, Description: "streamcrypt: owners of consumers", History: 1, Replicas: max(replicas, 1),
		})
		if errors.Is(err, jetstream.ErrBucketExists) { // another process was faster
			kv, err = conn.js.KeyValue(ctx, bucket)
		}
	}
	if err != nil {
		return nil, conn.explainBucket(bucket, started, err)
	}
	return kv, nil
}

// explainBucket returns the error of a request to a bucket that was made at
// started. It matches ErrNoLease only where no other try would end otherwise:
// the right is missing, or there is no JetStream.
func (c *Conn) explainBucket(bucket string, started time.Time, err error) error {
	cause := c.explainSince(started, err, c.bucketSubjects(bucket)...)
	if isDenied(cause) || errors.Is(cause, jetstream.ErrJetStreamNotEnabled) ||
		errors.Is(cause, jetstream.ErrJetStreamNotEnabledForAccount) {
		return fmt.Errorf("%w: nats KV bucket %s: %w", ErrNoLease, bucket, cause)
	}
	return fmt.Errorf("nats KV bucket %s: %w", bucket, cause)
}
