// Package dirstore keeps key records in a directory, one file each, named by the kid in lower-case hex. Further
// records of a kid, as rewrapping makes them, are called kid.1, kid.2 and so on. It must not know what a
// record says.
package dirstore

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/streamcrypt/streamcrypt/kekcache"
)

// maxRecord is the largest record that Get reads, in bytes: an envelope of an empty payload and its recipients.
const maxRecord = 32 << 10

// Store is a directory of key records. Several processes may use it at once.
type Store struct{ dir string }

var _ kekcache.Store = (*Store)(nil)

// Open returns the store in dir, which must exist.
func Open(dir string) (*Store, error) {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return nil, fmt.Errorf("key store: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("key store: %s: not a directory", dir)
	}
	return &Store{dir: dir}, nil
}

// Put writes the record to a file of its own and returns when it is on the disk. A record that is there already is not
// written again.
func (s *Store) Put(_ context.Context, kid [kekcache.KIDSize]byte, record []byte) error {
	temp, err := os.CreateTemp(s.dir, ".put-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // gone already when all went well
	if _, err = temp.Write(record); err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	for n := 0; ; n++ {
		// A link never replaces a file that is there, so no record is ever lost to a second writer.
		err := os.Link(temp.Name(), s.path(kid, n))
		if err == nil {
			return syncDir(s.dir)
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		if old, err := readRecord(s.path(kid, n)); err == nil && bytes.Equal(old, record) {
			return nil
		}
	}
}

// Get returns the records of kid in the order in which they were put.
func (s *Store) Get(_ context.Context, kid [kekcache.KIDSize]byte) ([][]byte, error) {
	var records [][]byte
	for n := 0; ; n++ {
		record, err := readRecord(s.path(kid, n))
		if errors.Is(err, fs.ErrNotExist) {
			return records, nil
		}
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
}

func (s *Store) path(kid [kekcache.KIDSize]byte, n int) string {
	name := hex.EncodeToString(kid[:])
	if n > 0 {
		name = fmt.Sprintf("%s.%d", name, n)
	}
	return filepath.Join(s.dir, name)
}

func readRecord(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxRecord {
		return nil, fmt.Errorf("%s: larger than a key record can be", path)
	}
	return os.ReadFile(path)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
