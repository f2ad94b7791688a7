package local

import (
	"bytes"
	"encoding/hex"
	"errors"

	"github.com/streamcrypt/streamcrypt/keys"
)

// kidSize is the size of every local KEK's id in bytes.
const kidSize = 8

var (
	errForeign   = errors.New("wrapped for another key")
	errDEKSize   = errors.New("data key is not 32 bytes")
	errIntegrity = errors.New("integrity check")
)

// id names a KEK in envelopes, logs and errors.
type id struct {
	name string
	kid  [kidSize]byte
}

// newID names the KEK with the first kidSize bytes of kid, which is derived
// from the key and public.
func newID(scheme string, kid []byte) id {
	d := id{kid: [kidSize]byte(kid)}
	d.name = scheme + ":" + hex.EncodeToString(d.kid[:])
	return d
}

// Name returns the kind of KEK and its id in hex, for instance
// "local:3f9a0c54d2e87b16".
func (d *id) Name() string { return d.name }

// IsLocal implements keys.Local.
func (d *id) IsLocal() {}

// newWrapped returns the wrapping of a DEK without its ciphertext.
func (d *id) newWrapped(alg int64) keys.Wrapped {
	return keys.Wrapped{Alg: alg, KID: bytes.Clone(d.kid[:])}
}

// isNamedBy says whether w carries this KEK's id.
func (d *id) isNamedBy(w *keys.Wrapped) bool { return bytes.Equal(w.KID, d.kid[:]) }

// unusable is the error of a KEK that does not work for any key.
func (d *id) unusable(op string, err error) error {
	return &keys.Error{Class: keys.Gone, Key: d.name, Op: op, Err: err}
}

// badWrap is the error of a wrapped key that this KEK does not open.
func (d *id) badWrap(err error) error {
	return &keys.Error{Class: keys.BadWrap, Key: d.name, Op: "unwrap", Err: err}
}
