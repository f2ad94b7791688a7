package nats

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/internal/credfile"
	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// LoadIDSecret returns 32 random bytes that all processes with the same bucket
// and name have in common. The first one makes them. Whoever can read the
// bucket can tell the ids that come next.
func LoadIDSecret(ctx context.Context, conn *Conn, bucket, name string) ([]byte, error) {
	kv, err := openBucket(ctx, conn, bucket, 1)
	if err != nil {
		return nil, err
	}
	return loadSecret(ctx, conn, kv, "secret."+name)
}

// secretLooks is how often an entry is looked for that the bucket says exists:
// the replica that answers may not have it yet.
const secretLooks = 20

// loadSecret reads the secret under a key, or makes it.
func loadSecret(ctx context.Context, conn *Conn, kv jetstream.KeyValue, key string) ([]byte, error) {
	bucket, started := kv.Bucket(), time.Now()
	for range secretLooks {
		entry, err := kv.Get(ctx, key)
		if err == nil {
			if len(entry.Value()) < idSecretSize {
				return nil, fmt.Errorf("nats KV bucket %s, key %s: %d bytes are no secret",
					bucket, key, len(entry.Value()))
			}
			return entry.Value(), nil
		}
		if !errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil, conn.explainBucket(bucket, started, err)
		}
		secret := make([]byte, idSecretSize)
		_, _ = rand.Read(secret) // it never fails
		_, err = kv.Create(ctx, key, secret)
		switch {
		case err == nil:
			return secret, nil
		case !errors.Is(err, jetstream.ErrKeyExists): // another process was faster
			return nil, conn.explainBucket(bucket, started, err)
		}
		if err := retry.Sleep(ctx, leaseLook); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("nats KV bucket %s: key %s comes and goes", bucket, key)
}

const idSecretSize = 32

// ReadIDSecret reads the file of a secret that people made, and hashes it.
func ReadIDSecret(path string, log *slog.Logger) ([]byte, error) {
	text, err := credfile.ReadSecret("id-secret", path, log)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	if len(text) < idSecretSize {
		return nil, fmt.Errorf("id-secret %s: %d bytes are fewer than %d", path, len(text), idSecretSize)
	}
	sum := sha256.Sum256(text)
	return sum[:], nil
}

// metadataID is the key under which a consumer keeps a fingerprint of the
// secret of the ids.
const metadataID = "streamcrypt-id"

// ErrIDSecret is the error of a process whose secret of the ids is not that of
// the others with the same consumer: it would store their messages twice.
var ErrIDSecret = errors.New("the consumer was read with another id secret")

// HasIDSecret tells whether the consumer keeps a fingerprint of a secret.
func (s *Source) HasIDSecret() bool { return s.config.Metadata[metadataID] != "" }

// HoldIDSecret keeps a fingerprint of the secret with the consumer, and
// compares it with the one that is kept there already.
func (s *Source) HoldIDSecret(ctx context.Context, fingerprint string) error {
	if s.Consumer == "" {
		return nil
	}
	kept := s.config.Metadata[metadataID]
	switch kept {
	case fingerprint:
		return nil
	case "":
	default:
		return fmt.Errorf("nats stream %s, consumer %s: %w: %s, not %s",
			s.Stream, s.Consumer, ErrIDSecret, kept, fingerprint)
	}
	cfg := s.config
	cfg.Metadata = maps.Clone(cfg.Metadata)
	if cfg.Metadata == nil {
		cfg.Metadata = map[string]string{}
	}
	cfg.Metadata[metadataID] = fingerprint
	if _, err := s.conn.js.UpdateConsumer(ctx, s.Stream, cfg); err != nil {
		s.Log.Warn("the consumer keeps no fingerprint of the id secret: an instance with another one goes unnoticed",
			"stream", s.Stream, "consumer", s.Consumer, "error", err)
		return nil
	}
	s.config = cfg
	return nil
}

// Config is the configuration of the stream when it was opened.
func (s *Source) Config() *jetstream.StreamConfig { return &s.streamConfig }

// Conn is the connection that the Source reads from.
func (s *Source) Conn() *Conn { return s.conn }
