// Package keyring turns URLs into key encryption keys: local:FILE, x25519:FILE, rsa:FILE, awskms:KEY. It reads the key files, which
// package keys/local does not do, and says which kinds of key this build has.
//
// The package must not know what the keys are used for, nor show a byte of a key file in an error.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/awskms"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// NotBuiltError says that a kind of key exists, and this build has not got it.
type NotBuiltError struct{ Scheme string }

func (e *NotBuiltError) Error() string { return "this build has no " + e.Scheme + " keys" }

// kind is what can be made of one kind of URL.
type kind struct {
	wrap   maker[keys.Wrapper]
	unwrap maker[keys.Unwrapper]
}

// maker makes a key of a URL. It may call other services, until ctx ends.
type maker[K named] func(ctx context.Context, at *address.Address, log *slog.Logger) (K, error)

var kinds = map[string]kind{
	"local": {
		wrap:   fromFile(func(file []byte) (keys.Wrapper, error) { return local.ParseAES(file) }),
		unwrap: fromFile(func(file []byte) (keys.Unwrapper, error) { return local.ParseAES(file) }),
	},
	"x25519": {
		wrap:   fromFile(func(file []byte) (keys.Wrapper, error) { return local.ParseX25519Public(file) }),
		unwrap: fromFile(func(file []byte) (keys.Unwrapper, error) { return local.ParseX25519(file) }),
	},
	"rsa": {
		wrap:   fromFile(func(file []byte) (keys.Wrapper, error) { return local.ParseRSAPublic(file) }),
		unwrap: fromFile(func(file []byte) (keys.Unwrapper, error) { return local.ParseRSA(file) }),
	},
	"awskms": {
		wrap: func(ctx context.Context, at *address.Address, _ *slog.Logger) (keys.Wrapper, error) {
			key, err := fromAWS(ctx, at)
			return awskms.Encrypting{Key: key}, err
		},
		unwrap: func(ctx context.Context, at *address.Address, _ *slog.Logger) (keys.Unwrapper, error) {
			return fromAWS(ctx, at)
		},
	},
}

// Schemes are the kinds of key that this build has.
func Schemes() []string { return []string{"awskms", "local", "rsa", "x25519"} }

// elsewhere are kinds of key that this build has not got.
var elsewhere = map[string]bool{"nkey": true, "pq": true, "vault": true}

// Wrappers makes the keys to encrypt to. Of a key pair the public half is enough. log is told about private keys that others
// can read.
func Wrappers(ctx context.Context, urls []string, log *slog.Logger) ([]keys.Wrapper, error) {
	return load(ctx, urls, log, func(k kind) maker[keys.Wrapper] { return k.wrap })
}

// Unwrappers makes the keys to decrypt with, in the order in which they are to be tried. log is told about those that others
// can read.
func Unwrappers(ctx context.Context, urls []string, log *slog.Logger) ([]keys.Unwrapper, error) {
	return load(ctx, urls, log, func(k kind) maker[keys.Unwrapper] { return k.unwrap })
}

// named is what both directions have in common.
type named interface{ Name() string }

func load[K named](ctx context.Context, urls []string, log *slog.Logger, direction func(kind) maker[K]) ([]K, error) {
	if len(urls) == 0 {
		return nil, errors.New("no key is given")
	}
	loaded := make([]K, 0, len(urls))
	seen := map[string]bool{}
	for _, text := range urls {
		at, k, err := locate(text)
		if err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
		key, err := direction(k)(ctx, at, log)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", at, err)
		}
		if seen[key.Name()] {
			return nil, fmt.Errorf("key %s: %s is given twice", at, key.Name())
		}
		seen[key.Name()] = true
		loaded = append(loaded, key)
	}
	return loaded, nil
}

// locate reads the URL of a key.
func locate(text string) (*address.Address, kind, error) {
	at, err := address.Parse(text)
	if err != nil {
		return nil, kind{}, err
	}
	k, ok := kinds[at.Scheme]
	switch {
	case elsewhere[at.Scheme]:
		return nil, k, &NotBuiltError{Scheme: at.Scheme}
	case !ok:
		return nil, k, address.Unknown("kind of key", at.Scheme, Schemes())
	}
	return at, k, nil
}
