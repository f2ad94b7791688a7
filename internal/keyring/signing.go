package keyring

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// SigningKind is the row of keys that sign: they are made like other keys, and
// named by their files.
func SigningKind() Kind {
	return Kind{
		Scheme: "ed25519", Form: "FILE", IsFile: true,
		Text:     "an Ed25519 key in a PEM file, which vouches for data keys: --sign and --signer",
		Generate: func(int) ([]byte, error) { return local.GenerateEd25519() },
	}
}

// FindGenerated returns the kind of key of a name that is made here, or nil.
func FindGenerated(name string) *Kind {
	k := FindKind(name)
	if signing := SigningKind(); k == nil && name == signing.Scheme {
		k = &signing
	}
	if k == nil || k.Generate == nil {
		return nil
	}
	return k
}

// LoadSigner reads the private key that signs.
func LoadSigner(path string, log *slog.Logger) (keys.Signer, error) {
	k, err := readKeyFile(path, log, local.ParseEd25519)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", path, err)
	}
	return k, nil
}

// LoadVerifiers reads the public keys of the signers that are trusted.
func LoadVerifiers(paths []string) ([]keys.Verifier, error) {
	var all []keys.Verifier
	seen := map[[keys.SignerKIDSize]byte]bool{}
	for _, path := range paths {
		k, err := readKeyFile(path, slog.New(slog.DiscardHandler), local.ParseEd25519Public)
		if err != nil {
			return nil, fmt.Errorf("signer %s: %w", path, err)
		}
		if seen[k.KID()] {
			return nil, fmt.Errorf("signer %s: it is given twice", path)
		}
		seen[k.KID()] = true
		all = append(all, k)
	}
	return all, nil
}

// LoadOwnUnwrappers loads those of the keys to encrypt to that can decrypt as
// well: a symmetric key, a file with the private half, or a key of a service,
// which may still deny it.
func LoadOwnUnwrappers(ctx context.Context, urls []string, env Env) []keys.Unwrapper {
	var all []keys.Unwrapper
	for _, text := range urls {
		_, l, err := readURL(text)
		if err != nil {
			continue
		}
		if k, err := l.unwrapper(ctx, env); err == nil {
			all = append(all, k)
		}
	}
	return all
}
