package nats

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// BucketState is a StateStore in a KV bucket, which may be on another server
// than the stream.
type BucketState struct {
	bucket string
	kv     jetstream.KeyValue

	mu       sync.Mutex
	revision uint64 // of the entry as this process has seen it; 0 for none
}

// OpenBucketState opens a bucket, or makes it.
func OpenBucketState(ctx context.Context, conn *Conn, bucket string) (*BucketState, error) {
	kv, err := openBucket(ctx, conn, bucket, 1)
	if err != nil {
		return nil, err
	}
	return &BucketState{bucket: bucket, kv: kv}, nil
}

// String implements StateStore.
func (b *BucketState) String() string { return "nats KV bucket " + b.bucket }

// LoadState implements StateStore.
func (b *BucketState) LoadState(ctx context.Context, name string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	entry, err := b.kv.Get(ctx, name)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		b.revision = 0
		return nil, nil
	case err != nil:
		return nil, err
	}
	b.revision = entry.Revision()
	return entry.Value(), nil
}

// SaveState implements StateStore. The write is on top of the revision that
// this process has seen last.
func (b *BucketState) SaveState(ctx context.Context, name string, state []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	revision, err := b.writeEntry(ctx, name, state)
	if err != nil {
		return b.findOwnWrite(ctx, name, state, err)
	}
	b.revision = revision
	return nil
}

func (b *BucketState) writeEntry(ctx context.Context, name string, state []byte) (uint64, error) {
	if b.revision == 0 {
		return b.kv.Create(ctx, name, state)
	}
	return b.kv.Update(ctx, name, state, b.revision)
}

// findOwnWrite finds out how a write ended that returned an error: its answer
// may have been lost. b.mu is held.
func (b *BucketState) findOwnWrite(ctx context.Context, name string, state []byte, cause error) error {
	entry, err := b.kv.Get(ctx, name)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound) && b.revision == 0:
		return cause
	case errors.Is(err, jetstream.ErrKeyNotFound):
		b.revision = 0 // somebody has deleted it; the next write makes it again
		return fmt.Errorf("the entry was deleted: %w", cause)
	case err != nil || entry.Revision() == b.revision:
		return cause
	case bytes.Equal(entry.Value(), state):
		b.revision = entry.Revision()
		return nil
	}
	return fmt.Errorf("%w: %w", ErrStateTaken, cause)
}
