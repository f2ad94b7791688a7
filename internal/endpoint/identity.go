package endpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"

	"github.com/fxamacker/cbor/v2"
)

// Identity names a source for ever, also after its name has changed: the array
// of docs/envelope.md, section 3, in deterministic CBOR.
type Identity []byte

// EncodeIdentity returns the identity that these parts make up: the scheme,
// and what its room knows of the source.
func EncodeIdentity(parts ...any) (Identity, error) {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, err
	}
	return mode.Marshal(parts)
}

// identitySize is how much of the hash names a source, in bytes.
const identitySize = 7

// Short returns the first bytes of the SHA-256 of the identity, by which
// positions name a source.
func (id Identity) Short() [identitySize]byte {
	sum := sha256.Sum256(id)
	return [identitySize]byte(sum[:])
}

// String returns Short in hex. It differs for different sources.
func (id Identity) String() string {
	short := id.Short()
	return hex.EncodeToString(short[:])
}

// FileIdentity is Traits.Identity of a local file: its path without links, as
// far as it exists.
func FileIdentity(path string) string { return "file " + resolvePath(path) }

func resolvePath(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return path
}
