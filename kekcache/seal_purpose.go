package kekcache

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/keys"
)

// KEKs are the key encryption keys that data keys are wrapped for: every one of
// them becomes a recipient. SealKeys.Reload replaces them for all that seal
// with them. Two KEKs are two, even with the same keys in them.
type KEKs struct {
	mu       sync.Mutex
	wrappers []keys.Wrapper
}

// maxWrappers is how many recipients an envelope has at most.
const maxWrappers = 16

// NewKEKs returns KEKs of 1 to 16 keys.
func NewKEKs(wrappers []keys.Wrapper) (*KEKs, error) {
	if err := checkWrappers(wrappers); err != nil {
		return nil, err
	}
	return &KEKs{wrappers: slices.Clone(wrappers)}, nil
}

func checkWrappers(wrappers []keys.Wrapper) error {
	switch {
	case len(wrappers) == 0:
		return errors.New("no key to encrypt to")
	case len(wrappers) > maxWrappers:
		return errors.New("more than 16 keys to encrypt to")
	case slices.Contains(wrappers, nil):
		return errors.New("a key to encrypt to is nil")
	}
	return nil
}

// currentKeys returns the keys that are wrapped for now. The slice is never
// changed.
func (k *KEKs) currentKeys() []keys.Wrapper {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.wrappers
}

func (k *KEKs) replaceKeys(wrappers []keys.Wrapper) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wrappers = wrappers
}

// Purpose says for which use a data key is. Equal Purposes share their data
// keys, different ones never do.
type Purpose struct {
	KEKs    *KEKs
	Context keys.Context   // the key service binds the wrapping to it, and key records are sealed for its Name
	Nonces  chunker.Nonces // how nonces are made
	Store   Store          // keeps key records, and envelopes refer to their key by kid; nil: self-contained
	Signer  keys.Signer    // vouches for the data keys; comparable, such as a pointer; nil: nobody does
}

func (p *Purpose) check() error {
	switch {
	case p.KEKs == nil:
		return errors.New("no key to encrypt to")
	case p.Nonces != chunker.Counter && p.Nonces != chunker.Random:
		return errors.New("kekcache: unknown kind of nonces")
	}
	return nil
}

// purposeKey is a Purpose in a form that can be compared.
type purposeKey struct {
	keks    *KEKs
	context string
	nonces  chunker.Nonces
	store   Store
	signer  keys.Signer
}

var errNotComparable = errors.New("kekcache: a Store and a Signer must be comparable, such as a pointer")

// key returns the Purpose as a key of a map.
func (p *Purpose) key() (k purposeKey, err error) {
	k = purposeKey{keks: p.KEKs, context: encodeContext(p.Context), nonces: p.Nonces, store: p.Store, signer: p.Signer}
	defer func() {
		if recover() != nil {
			k, err = purposeKey{}, errNotComparable
		}
	}()
	_ = map[purposeKey]bool{k: true} // panics if a type cannot be compared
	return k, nil
}

// encodeContext returns a string that is equal for equal contexts only.
func encodeContext(kc keys.Context) string {
	b := appendString(nil, kc.Name)
	for _, name := range slices.Sorted(maps.Keys(kc.Pairs)) {
		b = appendString(appendString(b, name), kc.Pairs[name])
	}
	return string(b)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
