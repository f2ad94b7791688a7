package convert

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// ErrNotLocal says that a key cannot be a recipient of the formats of other
// tools, which have no recipients of key services.
var ErrNotLocal = errors.New("only local keys can be recipients of this format")

// agreedWrapper wraps with the derivation of a format.
type agreedWrapper struct {
	*local.X25519Public
	derive keys.Derivation
}

// Wrap implements keys.Wrapper.
func (k agreedWrapper) Wrap(_ context.Context, _ keys.Context, dek []byte) (keys.Wrapped, error) {
	return k.WrapDerived(k.derive, dek)
}

// adaptWrappers returns the keys as recipients of a format.
func adaptWrappers(f *exchange.Format, wrappers []keys.Wrapper) ([]keys.Wrapper, error) {
	adapted := make([]keys.Wrapper, len(wrappers))
	for i, w := range wrappers {
		switch k := w.(type) {
		case *local.AES, *local.RSA, *local.RSAPublic:
			adapted[i] = w
		case *local.X25519:
			adapted[i] = agreedWrapper{&k.X25519Public, f.Derive}
		case *local.X25519Public:
			adapted[i] = agreedWrapper{k, f.Derive}
		default:
			return nil, fmt.Errorf("key %s: %w: %s", w.Name(), ErrNotLocal, f.Title)
		}
	}
	return adapted, nil
}

// namedUnwrapper is a local key.
type namedUnwrapper interface {
	keys.Local
	KID() []byte
}

// anyUnwrapper unwraps content keys of a format. A recipient that names no
// local key may be this one: whether it is, its integrity check tells.
type anyUnwrapper struct {
	namedUnwrapper
	kid []byte
}

// Fits implements keys.Unwrapper.
func (k *anyUnwrapper) Fits(w *keys.Wrapped) bool {
	named := k.name(w)
	return k.namedUnwrapper.Fits(&named)
}

// Unwrap implements keys.Unwrapper.
func (k *anyUnwrapper) Unwrap(ctx context.Context, kc keys.Context, dst []byte, w *keys.Wrapped) ([]byte, error) {
	named := k.name(w)
	return k.namedUnwrapper.Unwrap(ctx, kc, dst, &named)
}

// name returns w as wrapped for this key, unless it names one.
func (k *anyUnwrapper) name(w *keys.Wrapped) keys.Wrapped {
	named := *w
	if len(named.KID) == 0 {
		named.KID = k.kid
	}
	return named
}

// agreedUnwrapper unwraps with the derivation of a format.
type agreedUnwrapper struct {
	*local.X25519
	derive keys.Derivation
}

// Unwrap implements keys.Unwrapper.
func (k agreedUnwrapper) Unwrap(_ context.Context, _ keys.Context, dst []byte, w *keys.Wrapped) ([]byte, error) {
	return k.UnwrapDerived(k.derive, dst, w)
}

// adaptUnwrappers returns those of the keys that can be recipients of a format.
func adaptUnwrappers(f *exchange.Format, unwrappers []keys.Unwrapper) []keys.Unwrapper {
	var adapted []keys.Unwrapper
	for _, u := range unwrappers {
		var k namedUnwrapper
		switch u := u.(type) {
		case *local.X25519:
			k = agreedUnwrapper{u, f.Derive}
		case namedUnwrapper:
			k = u
		default:
			continue
		}
		adapted = append(adapted, &anyUnwrapper{k, k.KID()})
	}
	return adapted
}

// isFor tells whether a recipient names one of the keys.
func isFor(unwrappers []keys.Unwrapper, w *keys.Wrapped) bool {
	for _, u := range unwrappers {
		if k, ok := u.(*anyUnwrapper); ok && bytes.Equal(k.kid, w.KID) && k.Fits(w) {
			return true
		}
	}
	return false
}
