// Package dir keeps key records in a directory, one file each, named by the kid
// in lower-case hex. Further records of a kid, as rewrapping makes them, are
// called kid.1, kid.2 and so on. Files of other names are not looked at; .put-*
// are left over from a crash. The package must not know the content of a
// record.
package dir

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/streamcrypt/streamcrypt/kekcache"
)

// MaxRecord is the largest record that Put takes, in bytes: more than an
// envelope of the largest dictionary with all its recipients is. A larger file
// is no record, and Get passes it over.
const MaxRecord = 160 << 10

// maxCalls is how many calls are with the file system at once.
const maxCalls = 32

// Store is a directory of key records. Several processes may use it at once. It
// is safe for concurrent use.
//
// A file system that hangs, as one in a network may, does not heed a context.
// So every call is made on a goroutine of the Store, at most maxCalls of them,
// and a call whose context ends is left behind.
type Store struct {
	dir   string
	calls chan struct{} // one for each call that is with the file system
}

var _ kekcache.Store = (*Store)(nil)

// Open returns the store in dir, which must exist.
func Open(dir string) (*Store, error) {
	s := &Store{dir: dir, calls: make(chan struct{}, maxCalls)}
	if err := s.checkDir(); err != nil {
		return nil, err
	}
	return s, nil
}

// checkDir returns an error if the directory is not there (any more).
func (s *Store) checkDir() error {
	info, err := os.Stat(s.dir)
	switch {
	case err != nil:
		return fmt.Errorf("key store: %w", err)
	case !info.IsDir():
		return fmt.Errorf("key store: %s: not a directory", s.dir)
	}
	return nil
}

// await makes a call, and gives it up when ctx ends.
func await[T any](ctx context.Context, s *Store, call func() (T, error)) (result T, err error) {
	type answer struct {
		result T
		err    error
	}
	select {
	case s.calls <- struct{}{}:
	case <-ctx.Done():
		return result, ctx.Err()
	}
	answered := make(chan answer, 1)
	go func() {
		defer func() { <-s.calls }()
		result, err := call()
		answered <- answer{result, err}
	}()
	select {
	case a := <-answered:
		return a.result, a.err
	case <-ctx.Done():
		return result, ctx.Err()
	}
}

// Put writes the record to a file of its own and returns when it is on the
// disk. A record that is there already is not written again.
func (s *Store) Put(ctx context.Context, kid [kekcache.KIDSize]byte, record []byte) error {
	record = bytes.Clone(record) // the call may be left behind
	_, err := await(ctx, s, func() (struct{}, error) { return struct{}{}, s.putRecord(kid, record) })
	return err
}

func (s *Store) putRecord(kid [kekcache.KIDSize]byte, record []byte) error {
	if len(record) > MaxRecord {
		return fmt.Errorf("key store: a record of %d bytes: at most %d are possible", len(record), MaxRecord)
	}
	temp := filepath.Join(s.dir, ".put-"+rand.Text())
	defer os.Remove(temp) //nolint:errcheck // best effort: nothing reads a file that is left
	if err := writeFile(temp, record); err != nil {
		return fmt.Errorf("key store: %w", err)
	}
	if err := s.linkRecord(temp, kid, record); err != nil {
		return fmt.Errorf("key store: %w", err)
	}
	return nil
}

// linkRecord gives temp, which holds the record, the first name of kid that is
// free.
func (s *Store) linkRecord(temp string, kid [kekcache.KIDSize]byte, record []byte) error {
	for n := 0; ; n++ {
		name := s.pathOf(kid, n)
		// A link never replaces a file that is there, so no record is ever lost
		// to a second writer.
		err := os.Link(temp, name)
		if err == nil {
			return syncDir(s.dir)
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		if old, err := readFile(name); err == nil && bytes.Equal(old, record) {
			return syncDir(s.dir) // its writer may not have come to that yet
		}
	}
}

// Get returns the records of kid in the order in which they were put. A
// directory that is gone is an error, not an empty store: messages would be
// refused for good.
func (s *Store) Get(ctx context.Context, kid [kekcache.KIDSize]byte) ([][]byte, error) {
	return await(ctx, s, func() ([][]byte, error) { return s.readRecords(kid) })
}

func (s *Store) readRecords(kid [kekcache.KIDSize]byte) ([][]byte, error) {
	var records [][]byte
	for n := 0; ; n++ {
		record, err := readFile(s.pathOf(kid, n))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return records, s.checkDir()
		case err != nil:
			return nil, fmt.Errorf("key store: %w", err)
		case len(record) <= MaxRecord:
			records = append(records, record)
		}
	}
}

func (s *Store) pathOf(kid [kekcache.KIDSize]byte, n int) string {
	name := hex.EncodeToString(kid[:])
	if n > 0 {
		name = fmt.Sprintf("%s.%d", name, n)
	}
	return filepath.Join(s.dir, name)
}

// writeFile returns when the bytes of a new file are on the disk. A record is
// as public as the messages that need it: others may read it, if they may enter
// the directory.
func writeFile(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // see above
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// readFile returns the beginning of a file, of which more than MaxRecord bytes
// say that it is too long.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	return io.ReadAll(io.LimitReader(f, MaxRecord+1))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
