package nats

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

// sourceKey is the open source in a session, if it is a stream.
type sourceKey struct{}

var errNoStream = errors.New("the source is no stream")

const (
	idInfo          = "streamcrypt/1 msg-id" // docs/envelope.md, NATS
	fingerprintInfo = "streamcrypt/1 msg-id name"
	fingerprintSize = 4
)

// nameMessages returns the options that message ids are made with.
//
// The secret comes from id-secret=, else from the bucket with the leases, which
// all processes of the route share. Without rights on that bucket it is random,
// unless the consumer was read with the bucket's before.
func (n *stream) nameMessages(
	ctx context.Context, conn *connector.Conn, source *connector.Source, s *endpoint.Session, in *endpoint.Source,
) (connector.IDOptions, error) {
	o := connector.IDOptions{Keys: s.KeySet, DeadLetters: n.as == endpoint.DeadLetters, Place: placesOf(in)}
	prk, err := n.loadSecret(ctx, conn, source, s, in)
	switch {
	case mayGoWithout(err, source != nil && source.HasIDSecret()):
		s.Log.Warn("message ids are made with a secret of this run: what another run had in flight is stored twice "+
			"(give id-secret=, or rights on the bucket of lease=)", "stream", n.stream, "error", err)
		return o, nil
	case errors.Is(err, connector.ErrNoLease):
		return o, fmt.Errorf("%w, which cannot be read: %w", connector.ErrIDSecret, err)
	case err != nil:
		return o, err
	}
	defer clear(prk)
	secret, err := hkdf.Expand(sha256.New, prk, idInfo, len(o.Secret))
	if err != nil {
		return o, err
	}
	o.Secret = [32]byte(secret)
	if source == nil {
		return o, nil
	}
	name, err := hkdf.Expand(sha256.New, secret, fingerprintInfo, fingerprintSize)
	if err != nil {
		return o, err
	}
	return o, source.HoldIDSecret(ctx, hex.EncodeToString(name))
}

// mayGoWithout tells whether a run whose secret could not be read for err goes
// on with one of its own. kept says that the consumer was read with a secret
// before: this run would store messages of that one twice.
func mayGoWithout(err error, kept bool) bool { return errors.Is(err, connector.ErrNoLease) && !kept }

// loadSecret returns the bytes that the secret is made from.
func (n *stream) loadSecret(
	ctx context.Context, conn *connector.Conn, source *connector.Source, s *endpoint.Session, in *endpoint.Source,
) ([]byte, error) {
	if n.idSecret != "" {
		return connector.ReadIDSecret(n.idSecret, s.Log)
	}
	if source == nil {
		return connector.LoadIDSecret(ctx, conn, n.lease, secretName(in.Identity))
	}
	// All consumers of a stream have one secret, also when their filters or their
	// destinations differ: a consumer goes on when its destination has changed.
	name, created := source.Identity()
	identity, err := identifyStream(source.Domain(), name, created, nil, "")
	if err != nil {
		return nil, err
	}
	return connector.LoadIDSecret(ctx, source.Conn(), source.LeaseBucket, secretName(identity))
}

func secretName(source endpoint.Identity) string { return "source." + source.String() }

// placesOf returns how positions name the places of a source (docs/envelope.md,
// section 3): a zero source for a place that they cannot name.
func placesOf(in *endpoint.Source) func(string) ([5]byte, uint32) {
	return func(place string) ([5]byte, uint32) {
		id, number := in.Identity, int32(0)
		if in.NumberPlace != nil {
			var ok bool
			if number, ok = in.NumberPlace(place); !ok || number < 0 || number > math.MaxUint16 {
				return [5]byte{}, 0
			}
		}
		if in.IdentifyPlace != nil { // two topics, or streams, have the same offsets
			id = in.IdentifyPlace(place)
		}
		if id == nil {
			return [5]byte{}, 0
		}
		return id.Short(), uint32(number)
	}
}
