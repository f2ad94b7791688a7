package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/audit"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/internal/textfile"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// keygenCmd makes keys.
type keygenCmd struct {
	Kind           string `arg:"" optional:"" complete:"kind" help:"Kind of key: ${kinds}."`
	Bits           int    `placeholder:"N" help:"Size of the key, of kinds with several: ${sizes}."`
	Public         string `placeholder:"FILE" complete:"path" help:"Print the public half of the key in FILE instead."`
	Out            string `placeholder:"FILE" complete:"path" help:"Write a new file instead of standard output, and print the key's name and public half."`
	PassphraseFile string `name:"passphrase-file" placeholder:"FILE" complete:"path" help:"Lock a local key with the passphrase in FILE: a JWK within a JWE, by PBES2."`
	Audit          string `placeholder:"FILE" complete:"path" help:"Record that a key was made in FILE, as encrypt does with its key operations."`
}

// listGenerated returns the kinds of key that this build makes.
func listGenerated() []string {
	kinds := listKinds(func(k *keyring.Kind) bool { return k.Generate != nil })
	return append(kinds, keyring.SigningKind().Scheme)
}

// listKinds returns the names of the kinds of key that have a property.
func listKinds(has func(*keyring.Kind) bool) []string {
	var names []string
	for _, k := range keyring.Kinds() {
		if has(&k) {
			names = append(names, k.Scheme)
		}
	}
	return names
}

// Help is shown by --help.
func (keygenCmd) Help() string {
	return "The key goes to standard output, as a JWK or PEM. For example: streamcrypt keygen ${key_kind} --out key"
}

// Validate is called by kong.
func (c *keygenCmd) Validate() error {
	known := listGenerated()
	switch {
	case (c.Kind == "") == (c.Public == ""):
		return errors.New("either a kind of key or --public is needed")
	case c.Kind != "" && !slices.Contains(known, c.Kind):
		return address.NewUnknownError("kind of key", c.Kind, known)
	case c.PassphraseFile != "" && c.Kind != keyring.LockableKind:
		return errors.New("--passphrase-file is for " + keyring.LockableKind)
	case c.Bits != 0 && (c.Kind == "" || keyring.FindGenerated(c.Kind).Sizes == ""):
		sized := listKinds(func(k *keyring.Kind) bool { return k.Sizes != "" })
		return errors.New("--bits is for " + strings.Join(sized, ", "))
	}
	return nil
}

// Run implements the command.
func (c *keygenCmd) Run(p *program) error {
	key, err := c.makeKey()
	if err != nil {
		return &startError{err}
	}
	name, err := keyring.NameKey(key)
	if err != nil {
		return err
	}
	if err := c.recordKey(name); err != nil {
		return &startError{err}
	}
	file := key
	if c.PassphraseFile != "" {
		if file, err = keyring.LockKey(key, c.PassphraseFile, p.log()); err != nil {
			return &startError{err}
		}
	}
	if c.Out != "" {
		if err := writeKey(c.Out, file, c.Public != ""); err != nil {
			return err
		}
		return c.printName(p.out, name, key)
	}
	if c.Public == "" {
		warnOfReaders(p)
	}
	if err := checkOpen(p.rawOut); err != nil {
		return err
	}
	_, err = p.out.Write(file)
	return err
}

// recordKey writes a line to the audit log, if there is one, before there is a
// key: one that cannot be recorded is not made.
func (c *keygenCmd) recordKey(name string) error {
	if c.Audit == "" || c.Kind == "" {
		return nil
	}
	place := "for standard output"
	if c.Out != "" {
		if filepath.Clean(c.Out) == filepath.Clean(c.Audit) {
			return fmt.Errorf("%s: --out and --audit are the same", c.Out)
		}
		if _, err := os.Lstat(c.Out); err == nil {
			return newExistsError(c.Out)
		}
		place = "for " + c.Out
	}
	log, err := audit.Open(c.Audit, audit.DescribeProcess())
	if err != nil {
		return err
	}
	err = log.Record(kekcache.Event{Op: audit.OpKeyGenerated, KEKs: []string{name}, Why: place})
	return errors.Join(err, log.Close())
}

// printName prints the name by which envelopes and logs call a key, and the
// public half of one that has just been made, which sealers need.
func (c *keygenCmd) printName(w io.Writer, name string, key []byte) error {
	text := name + "\n"
	if c.Kind != "" {
		if public, err := local.Public(key); err == nil { // others have none
			text += string(public)
		}
	}
	_, err := io.WriteString(w, text)
	return err
}

// makeKey returns the content of the file.
func (c *keygenCmd) makeKey() ([]byte, error) {
	if c.Kind == "" {
		return readPublicHalf(c.Public)
	}
	return keyring.FindGenerated(c.Kind).Generate(c.Bits)
}

func readPublicHalf(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()      //nolint:errcheck // opened for reading
	const most = 1 << 20 // a longer file is no key; package local says so of less
	file, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil, err
	}
	if file, err = textfile.Clean(file); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	key, err := local.Public(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}

func newExistsError(name string) error {
	return fmt.Errorf("%s: is there already, and a key is never overwritten", name)
}

// writeKey makes a new file. A private key is readable by its owner only, from
// the beginning.
func writeKey(name string, key []byte, public bool) (err error) {
	mode := fs.FileMode(0o600)
	if public {
		mode = 0o644
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return &startError{newExistsError(name)}
	}
	if err != nil {
		return &startError{err}
	}
	_, err = f.Write(key)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// warnOfReaders warns if standard output is a file that others can read, as the
// shell's > makes them.
func warnOfReaders(p *program) {
	f, ok := p.rawOut.(*os.File)
	if !ok {
		return
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() && local.WidePermissions(info.Mode()) {
		p.log().Warn("others can read the key's file; chmod 600 it, or use --out, or umask 077 before", "mode",
			info.Mode().Perm().String())
	}
}
