// Package keyring turns URLs into key encryption keys and into stores of key
// records. It reads the key files, which package keys/local does not do.
//
//	kind.go     Kind, a row for each kind of key, and the table of this build
//	keyring.go  URLs into keys
//	keyfile.go  keys in local files
//	locked.go   local keys that are locked with a passphrase
//	rsa.go      the parameter of RSA keys
//	nkey.go     curve keys of NATS
//	exec.go     keys that a command prints
//	awskms.go   keys in AWS KMS
//	check.go    looks at keys before a run
//	store.go    stores of key records
//	advice.go   advice about errors of keys
//
// A new kind of key is a file here and a row in Kinds: flags, help, completion
// and docs/urls.md read the table.
//
// The package must not know the use of the keys, nor show a byte of a key file
// in an error.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/nkeys"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/guard"
)

// NotBuiltError says that a kind of key exists, and that this build lacks it.
type NotBuiltError struct{ Scheme string }

func (e *NotBuiltError) Error() string { return "this build has no " + e.Scheme + " keys" }

// plannedSchemes are kinds of key that this build lacks.
var plannedSchemes = map[string]bool{"pq": true, "vault": true}

// Env is the surroundings of keys.
type Env struct {
	// Log is told about private keys that others can read.
	Log *slog.Logger
	// Observer is told of breakers and of calls that have to wait; nil: nobody.
	Observer guard.Observer
}

// LoadWrappers loads the keys to encrypt to. Of a key pair the public half is
// enough. It calls other services at most to look for credentials.
func LoadWrappers(ctx context.Context, urls []string, env Env) ([]keys.Wrapper, error) {
	return loadKeys(urls, func(l loader) (keys.Wrapper, error) { return l.wrapper(ctx, env) })
}

// LoadUnwrappers loads the keys to decrypt with, in the order in which they are
// to be tried. See LoadWrappers.
func LoadUnwrappers(ctx context.Context, urls []string, env Env) ([]keys.Unwrapper, error) {
	return loadKeys(urls, func(l loader) (keys.Unwrapper, error) { return l.unwrapper(ctx, env) })
}

// Check refuses URLs that are not those of keys. It loads none.
func Check(urls []string) error {
	for _, text := range urls {
		if _, _, err := readURL(text); err != nil {
			return err
		}
	}
	return nil
}

// ListServices lists the URLs of keys that stay with a service, as far as they
// may be shown. URLs that are not those of keys are left out.
func ListServices(urls []string) []string {
	var names []string
	for _, text := range urls {
		if at, _, err := readURL(text); err == nil && FindKind(at.Scheme).Service {
			names = append(names, at.String())
		}
	}
	return names
}

// KeyFile is a local file that the URL of a key names.
type KeyFile struct {
	Name string // the URL, as far as it may be shown
	Path string
}

// ListFiles lists the local files that URLs of keys name. URLs that are not
// those of keys are left out.
func ListFiles(urls []string) []KeyFile {
	var files []KeyFile
	for _, text := range urls {
		at, _, err := readURL(text)
		if err == nil && namesFile(at) {
			files = append(files, KeyFile{Name: at.String(), Path: at.Path})
		}
	}
	return files
}

// namesFile tells whether the URL of a key names a local file.
func namesFile(at *address.Address) bool {
	return FindKind(at.Scheme).IsFile && !nkeys.IsValidPublicCurveKey(at.Path)
}

// named is the part that both directions have in common.
type named interface{ Name() string }

func loadKeys[K named](urls []string, load func(loader) (K, error)) ([]K, error) {
	if len(urls) == 0 {
		return nil, errors.New("no key is given")
	}
	loaded := make([]K, 0, len(urls))
	seen := map[string]bool{}
	for _, text := range urls {
		at, l, err := readURL(text)
		if err != nil {
			return nil, err
		}
		key, err := load(l)
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

// readURL reads the URL of a key. Its errors name the URL as far as it may be
// shown.
func readURL(text string) (*address.Address, loader, error) {
	at, err := address.Parse(text)
	if err != nil {
		return nil, loader{}, adviseOnURL(fmt.Errorf("key: %w", err))
	}
	k := FindKind(at.Scheme)
	switch {
	case at.Scheme == nkeyScheme && looksLikeSeed(at.Path):
		return nil, loader{}, errSeedInURL
	case plannedSchemes[at.Scheme]:
		return nil, loader{}, fmt.Errorf("key: %w", &NotBuiltError{Scheme: at.Scheme})
	case k == nil:
		return nil, loader{}, adviseOnURL(fmt.Errorf("key: %w",
			address.NewUnknownError("kind of key", at.Scheme, Schemes())))
	}
	l, err := k.read(at, at.Params())
	if err != nil {
		return nil, loader{}, adviseOnURL(fmt.Errorf("key %s: %w", at, err))
	}
	return at, l, nil
}

// adviseOnURL adds advice to an error of a URL that is not that of a key.
func adviseOnURL(err error) error {
	return &hint.Error{Err: err, Hint: "write " + DescribeForms() + "; streamcrypt help keys lists all parameters"}
}

// NameURL names the key of a URL without asking a service: two URLs of one key
// file have one name, wherever the file is. It is "" if that is not possible.
func NameURL(text string) string {
	at, _, err := readURL(text)
	if err != nil {
		return ""
	}
	if !namesFile(at) {
		return at.String()
	}
	file, err := readRegular(at.Path)
	defer clear(file)
	if err != nil {
		return ""
	}
	name, err := NameKey(file)
	if err != nil {
		return ""
	}
	return name
}
