package keyring

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"errors"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

const nkeyScheme = "nkey"

// errSeedInURL does not name the URL: everybody who sees the command line, or
// the error, would see the seed.
var errSeedInURL = errors.New("key nkey: a seed stands in the URL, where others can see it: " +
	"write it into a file, and make a new one")

// looksLikeSeed tells whether the path of a URL is a seed of NATS, also one
// with a mistake in it, and surely no file that somebody has.
func looksLikeSeed(path string) bool {
	return len(path) >= 50 && strings.HasPrefix(path, "S") && strings.ToUpper(path) == path &&
		!strings.ContainsAny(path, "/.-_")
}

// errNKey does not repeat the text, which may be a seed.
var errNKey = errors.New("holds no curve key of NATS: its seed SX... or its public half X..., alone on a line")

// readNKey reads a URL of the form nkey:FILE or nkey:X....
func readNKey(at *address.Address, p *address.Params) (loader, error) {
	if at.Hosts == nil && nkeys.IsValidPublicCurveKey(at.Path) {
		return loader{
			wrapper: func(context.Context, Env) (keys.Wrapper, error) { return parseNKeyPublic([]byte(at.Path)) },
			unwrapper: func(context.Context, Env) (keys.Unwrapper, error) {
				return nil, local.ErrPublicOnly
			},
		}, p.Check()
	}
	return fileReader(parseNKeyPublic, parseNKey)(at, p)
}

// parseNKeyPublic takes the public half of a curve key from a file with either
// half.
func parseNKeyPublic(file []byte) (keys.Wrapper, error) {
	line := bytes.TrimSpace(file)
	if nkeys.IsValidPublicCurveKey(string(line)) {
		raw, err := nkeys.Decode(nkeys.PrefixByteCurve, line)
		if err != nil {
			return nil, errNKey
		}
		key, err := ecdh.X25519().NewPublicKey(raw)
		if err != nil {
			return nil, errNKey
		}
		return local.NewX25519Public(key)
	}
	key, err := parseNKeySeed(line)
	if err != nil {
		return nil, err
	}
	return local.NewX25519Public(key.PublicKey())
}

func parseNKey(file []byte) (keys.Unwrapper, error) {
	line := bytes.TrimSpace(file)
	if nkeys.IsValidPublicCurveKey(string(line)) {
		return nil, local.ErrPublicOnly
	}
	key, err := parseNKeySeed(line)
	if err != nil {
		return nil, err
	}
	return local.NewX25519(key)
}

// parseNKeySeed returns the private key of a seed: of a curve key that is the
// X25519 key itself.
func parseNKeySeed(seed []byte) (*ecdh.PrivateKey, error) {
	prefix, raw, err := nkeys.DecodeSeed(seed)
	if err != nil {
		return nil, errNKey
	}
	defer clear(raw)
	if prefix != nkeys.PrefixByteCurve {
		return nil, &local.KindError{Want: "a curve key of NATS (SX...)", Have: "another seed of NATS, which signs"}
	}
	key, err := ecdh.X25519().NewPrivateKey(raw)
	if err != nil {
		return nil, errNKey
	}
	return key, nil
}

// generateNKey returns a new curve key as the content of a file: its seed.
func generateNKey() ([]byte, error) {
	key, err := nkeys.CreateCurveKeys()
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	seed, err := key.Seed()
	if err != nil {
		return nil, err
	}
	return append(seed, '\n'), nil
}
