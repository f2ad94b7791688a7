package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// keygenCmd makes keys.
type keygenCmd struct {
	Kind   string `arg:"" optional:"" complete:"kind" help:"Kind of key: ${kinds}."`
	Bits   int    `placeholder:"N" help:"Size of the key, of kinds with several: ${sizes}."`
	Public string `placeholder:"FILE" complete:"path" help:"Print the public half of the key in FILE instead."`
	Out    string `placeholder:"FILE" complete:"path" help:"Write a new file instead of standard output."`
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
	if c.Out != "" {
		return writeKey(c.Out, key, c.Public != "")
	}
	if c.Public == "" {
		warnOfReaders(p)
	}
	_, err = p.out.Write(key)
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
	key, err := local.Public(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
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
		return &startError{fmt.Errorf("%s: is there already, and a key is never overwritten", name)}
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
	f, ok := p.out.(*os.File)
	if !ok {
		return
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() && local.WidePermissions(info.Mode()) {
		p.log.Warn("others can read the key's file; chmod 600 it, or use --out, or umask 077 before", "mode",
			info.Mode().Perm().String())
	}
}
