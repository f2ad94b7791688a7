package keyring

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/credfile"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// A JWK that is locked with a passphrase is the plaintext of a JWE (RFC 7517
// section 7), and the JWE's key comes from the passphrase by PBES2 (RFC 7518
// section 4.8).
const (
	// lockRounds are the rounds of PBKDF2 with HMAC-SHA-512 of our files: about
	// half a second of a processor.
	lockRounds = 600_000
	// mostRounds is how many we do for a file, so that one with a huge number
	// does not stop a start. The library takes no more either.
	mostRounds = 1_000_000
	// shortestPassphrase is the least length of one that locks a new file, in
	// bytes. A shorter one is not worth its rounds.
	shortestPassphrase = 12
	lockedContent      = "jwk+json"
)

// LockableKind is the kind of key that LockKey is for.
const LockableKind = "local"

var (
	errLocked = errors.New("is locked with a passphrase; passphrase-file= names it")
	// errUnlock does not say which: nobody can tell.
	errUnlock    = errors.New("does not open: another passphrase, or the file was changed")
	errNotLocked = errors.New("is not locked with a passphrase, and passphrase-file= was given")
	// errLock hides the library's words, which could show a part of the key.
	errLock     = errors.New("a key cannot be locked")
	errWeakLock = fmt.Errorf("the passphrase has fewer than %d bytes", shortestPassphrase)
)

// readLocal reads a URL of the form local:FILE.
func readLocal(at *address.Address, p *address.Params) (loader, error) {
	path := p.ReadText(address.Param{
		Name: "passphrase-file", Values: address.File, Default: "(the key is not locked)",
		Text: "the file that holds the passphrase of a key that is locked with one: a JWK within a JWE, by PBES2",
	})
	parse := func(file []byte, log *slog.Logger) (*local.AES, error) {
		if path == "" {
			if isJWE(file) {
				return nil, errLocked
			}
			return local.ParseAES(file)
		}
		jwk, err := unlockKey(file, path, log)
		if err != nil {
			return nil, err
		}
		defer clear(jwk)
		return local.ParseAES(jwk)
	}
	if at.Hosts != nil || at.Path == "" {
		return loader{}, fmt.Errorf("not of the form %s:FILE", at.Scheme)
	}
	read := func(env Env) (*local.AES, error) {
		return readKeyFile(at.Path, env.Log, func(file []byte) (*local.AES, error) { return parse(file, env.Log) })
	}
	return loader{
		wrapper:   func(_ context.Context, env Env) (keys.Wrapper, error) { return read(env) },
		unwrapper: func(_ context.Context, env Env) (keys.Unwrapper, error) { return read(env) },
	}, p.Check()
}

// isJWE tells whether a file is a JWE in compact form, which is five parts of
// base64url, and begins with those of a JSON object.
func isJWE(file []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(file), []byte("eyJ")) && bytes.Count(file, []byte(".")) == 4
}

// unlockKey returns the JWK in a file. The caller clears it.
func unlockKey(file []byte, passphraseFile string, log *slog.Logger) ([]byte, error) {
	if !isJWE(file) {
		return nil, errNotLocked
	}
	passphrase, err := readPassphrase(passphraseFile, log)
	if err != nil {
		return nil, err
	}
	defer clear(passphrase)
	file = bytes.TrimSpace(file)
	if err := checkLock(file); err != nil {
		return nil, err
	}
	message, err := jose.ParseEncryptedCompact(string(file), lockAlgorithms, contentAlgorithms)
	if err != nil {
		return nil, errUnlock
	}
	jwk, err := message.Decrypt(passphrase)
	if err != nil {
		return nil, errUnlock
	}
	return jwk, nil
}

// lockAlgorithms are those that make a key of a passphrase, and
// contentAlgorithms all that JWA has.
var (
	lockAlgorithms    = []jose.KeyAlgorithm{jose.PBES2_HS256_A128KW, jose.PBES2_HS384_A192KW, jose.PBES2_HS512_A256KW}
	contentAlgorithms = []jose.ContentEncryption{
		jose.A128GCM, jose.A192GCM, jose.A256GCM, jose.A128CBC_HS256, jose.A192CBC_HS384, jose.A256CBC_HS512,
	}
)

// checkLock reads the header of a JWE, and refuses one that we do not open,
// before anything is computed for it.
func checkLock(file []byte) error {
	coded, _, _ := bytes.Cut(file, []byte("."))
	text, err := base64.RawURLEncoding.AppendDecode(nil, coded)
	if err != nil {
		return errUnlock
	}
	var header struct {
		Algorithm   jose.KeyAlgorithm `json:"alg"`
		Compression *json.RawMessage  `json:"zip"`
		Rounds      float64           `json:"p2c"`
	}
	if err := json.Unmarshal(text, &header); err != nil {
		return errUnlock
	}
	switch {
	case !slices.Contains(lockAlgorithms, header.Algorithm):
		return fmt.Errorf("is locked with %q, and not with a passphrase (PBES2)", header.Algorithm)
	case header.Compression != nil:
		return errors.New("is compressed, which no key needs")
	case header.Rounds > mostRounds:
		return fmt.Errorf("asks for %.0f rounds, and the most are %d", header.Rounds, mostRounds)
	}
	return nil
}

// LockKey returns the content of the file of a local key, locked with the
// passphrase that a file holds.
func LockKey(jwk []byte, passphraseFile string, log *slog.Logger) ([]byte, error) {
	passphrase, err := readPassphrase(passphraseFile, log)
	if err != nil {
		return nil, err
	}
	defer clear(passphrase)
	if len(passphrase) < shortestPassphrase {
		return nil, errWeakLock
	}
	encrypter, err := jose.NewEncrypter(jose.A256GCM,
		jose.Recipient{Algorithm: jose.PBES2_HS512_A256KW, Key: passphrase, PBES2Count: lockRounds},
		(&jose.EncrypterOptions{}).WithContentType(lockedContent))
	if err != nil {
		return nil, err
	}
	message, err := encrypter.Encrypt(jwk)
	if err != nil {
		return nil, errLock
	}
	locked, err := message.CompactSerialize()
	if err != nil {
		return nil, errLock
	}
	return append([]byte(locked), '\n'), nil
}

// readPassphrase returns the line in a file. The caller clears it.
func readPassphrase(path string, log *slog.Logger) ([]byte, error) {
	b, err := credfile.ReadSecret("passphrase", path, log)
	if err != nil {
		return nil, err
	}
	line := bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	switch {
	case len(line) == 0:
		return nil, errors.New("passphrase: " + path + ": is empty")
	case bytes.ContainsAny(line, "\r\n"):
		clear(b)
		return nil, errors.New("passphrase: " + path + ": has more than one line")
	}
	return line, nil
}
