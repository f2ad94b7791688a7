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
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// maxFile is more than any key file has, in bytes.
const maxFile = 64 << 10

// fromFile makes keys of the form SCHEME:FILE.
func fromFile[K named](parse func(file []byte) (K, error)) maker[K] {
	return func(_ context.Context, at *address.Address, log *slog.Logger) (key K, err error) {
		if at.Hosts != nil || at.Path == "" {
			return key, fmt.Errorf("not of the form %s:FILE", at.Scheme)
		}
		if err := at.Params().Check(); err != nil {
			return key, err
		}
		return read(at, log, parse)
	}
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
