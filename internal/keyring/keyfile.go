package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/credfile"
	"github.com/streamcrypt/streamcrypt/internal/textfile"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// maxFile is more than any key file has, in bytes.
const maxFile = 64 << 10

// fileReader reads URLs of the form SCHEME:FILE. The two functions parse the
// file.
func fileReader(
	wrapper func(file []byte) (keys.Wrapper, error), unwrapper func(file []byte) (keys.Unwrapper, error),
) func(*address.Address, *address.Params) (loader, error) {
	return func(at *address.Address, p *address.Params) (loader, error) {
		if at.Hosts != nil || at.Path == "" {
			return loader{}, fmt.Errorf("not of the form %s:FILE", at.Scheme)
		}
		return loader{
			wrapper: func(_ context.Context, env Env) (keys.Wrapper, error) {
				return readKeyFile(at.Path, env.Log, wrapper)
			},
			unwrapper: func(_ context.Context, env Env) (keys.Unwrapper, error) {
				return readKeyFile(at.Path, env.Log, unwrapper)
			},
		}, p.Check()
	}
}

// readKeyFile reads a key file. Its bytes are cleared once they are parsed.
func readKeyFile[K any](path string, log *slog.Logger, parse func([]byte) (K, error)) (key K, err error) {
	f, err := os.Open(path)
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
	file, err := textfile.Clean(buf[:n])
	if err != nil {
		return key, err
	}
	if key, err = parse(file); err != nil {
		return key, err
	}
	if local.WidePermissions(credfile.Mode(info)) && holdsSecret(file) {
		log.Warn("private key can be read by others than its owner", "file", path, "mode", info.Mode().Perm().String())
	}
	return key, nil
}

// holdsSecret tells whether a key file that has been parsed holds a secret. All
// but public halves do.
func holdsSecret(file []byte) bool { return !bytes.Contains(file, []byte("PUBLIC KEY-----")) }

// listWide warns of a file with a private key that others than its owner can
// read.
func listWide(path string) []string {
	file, err := readRegular(path)
	defer clear(file)
	if err != nil || !holdsSecret(file) {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil || !local.WidePermissions(credfile.Mode(info)) {
		return nil
	}
	return []string{fmt.Sprintf("private key %s can be read by others than its owner (mode %v)", path,
		info.Mode().Perm())}
}

// readRegular reads a key file that may be read twice: to open a pipe again
// would wait for a writer. The caller clears it.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxFile:
		return nil, errors.New(path + ": not a key file")
	}
	return os.ReadFile(path)
}
