package endpoint

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"

	"github.com/fxamacker/cbor/v2"
)

// Identity names a source for ever, also after its name has changed: the array
// of docs/envelope.md, section 3, in deterministic CBOR.
type Identity []byte

// EncodeIdentity returns the identity that these parts make up: the scheme,
// and the values by which its room tells sources apart.
func EncodeIdentity(parts ...any) (Identity, error) {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, err
	}
	return mode.Marshal(parts)
}

// identitySize is how much of the hash names a source, in bytes.
const identitySize = 5

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
func FileIdentity(path string) string { return "file " + ResolvePath(path) }

// ResolvePath returns an absolute path without links, as far as it exists. It
// follows links before it takes ".." away: a folder that is a link has another
// parent than its name says.
func ResolvePath(path string) string {
	folder, name := filepath.Split(path)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	} else if real, err := filepath.EvalSymlinks(cmp.Or(folder, ".")); err == nil {
		path = filepath.Join(real, name)
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return path
}
