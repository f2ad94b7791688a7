// Package kek turns URLs into key encryption keys: local:FILE, x25519:FILE, rsa:FILE. It reads the key files, which package
// keys/local does not do, and says which kinds of key this build has.
//
// The package must not know what the keys are used for, nor show a byte of a key file in an error.
package kek

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/streamcrypt/streamcrypt/internal/route/address"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// NotBuiltError says that a kind of key exists, and this build has not got it.
type NotBuiltError struct{ Scheme string }

func (e *NotBuiltError) Error() string { return "this build has no " + e.Scheme + " keys" }

// maxFile is more than any key file has, in bytes.
const maxFile = 64 << 10

// kind is what can be made of one kind of key file.
type kind struct {
	wrap   func(file []byte) (keys.Wrapper, error)
	unwrap func(file []byte) (keys.Unwrapper, error)
}

var kinds = map[string]kind{
	"local": {
		wrap:   func(file []byte) (keys.Wrapper, error) { return local.ParseAES(file) },
		unwrap: func(file []byte) (keys.Unwrapper, error) { return local.ParseAES(file) },
	},
	"x25519": {
		wrap:   func(file []byte) (keys.Wrapper, error) { return local.ParseX25519Public(file) },
		unwrap: func(file []byte) (keys.Unwrapper, error) { return local.ParseX25519(file) },
	},
	"rsa": {
		wrap:   func(file []byte) (keys.Wrapper, error) { return local.ParseRSAPublic(file) },
		unwrap: func(file []byte) (keys.Unwrapper, error) { return local.ParseRSA(file) },
	},
}

// Schemes are the kinds of key that this build has.
func Schemes() []string { return []string{"local", "rsa", "x25519"} }

// elsewhere are kinds of key that this build has not got.
var elsewhere = map[string]bool{"awskms": true, "nkey": true, "pq": true, "vault": true}

// Wrappers reads the keys to encrypt to. Of a key pair the public half is enough. log is told about private keys that others
// can read.
func Wrappers(urls []string, log *slog.Logger) ([]keys.Wrapper, error) {
	return load(urls, log, func(k kind, file []byte) (keys.Wrapper, error) { return k.wrap(file) })
}

// Unwrappers reads the keys to decrypt with, in the order in which they are to be tried. log is told about those that others
// can read.
func Unwrappers(urls []string, log *slog.Logger) ([]keys.Unwrapper, error) {
	return load(urls, log, func(k kind, file []byte) (keys.Unwrapper, error) { return k.unwrap(file) })
}

// named is what both directions have in common.
type named interface{ Name() string }

func load[K named](urls []string, log *slog.Logger, parse func(kind, []byte) (K, error)) ([]K, error) {
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
		key, err := read(at, log, func(file []byte) (K, error) { return parse(k, file) })
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
	case at.Hosts != nil || at.Path == "":
		return nil, k, fmt.Errorf("%s: not of the form %s:FILE", at.Scheme, at.Scheme)
	}
	return at, k, at.Params().Done()
}

// read reads a key file. Its bytes are cleared once they are parsed.
func read[K any](at *address.Address, log *slog.Logger, parse func([]byte) (K, error)) (key K, err error) {
	f, err := os.Open(at.Path)
	if err != nil {
		return key, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	info, err := f.Stat()
	if err != nil {
		return key, err
	}
	buf := make([]byte, maxFile)
	defer clear(buf)
	n, err := io.ReadFull(f, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return key, err
	}
	file := buf[:n]
	if key, err = parse(file); err != nil {
		return key, err
	}
	if local.WidePermissions(info.Mode()) && private(file) {
		log.Warn("private key can be read by others than its owner", "file", at.Path, "mode", info.Mode().Perm().String())
	}
	return key, nil
}

// private tells whether a key file that has been parsed holds a secret. All but public halves do.
func private(file []byte) bool { return !bytes.Contains(file, []byte("PUBLIC KEY-----")) }
