package file

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Atomic is a file that appears under its name complete or not at all. It is
// written under a temporary name in the same folder, readable by its owner
// only. A destination that exists and is no regular file, such as a device or a
// named pipe, cannot be replaced: it is written directly, and Abort takes
// nothing back.
//
// It is used by one goroutine.
type Atomic struct {
	disk      disk
	h         handle
	path      string
	temp      string // "" when path is written itself
	overwrite bool
	done      bool
	written   int64
	started   int64 // how much of it the kernel was asked to write
}

// NewAtomic begins a file. If path exists already the error is an fs.ErrExist,
// unless overwrite is set. The caller ends with Commit or Abort.
func NewAtomic(path string, overwrite bool) (*Atomic, error) {
	a, err := beginAtomic(osDisk{}, path, overwrite)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, err
}

func beginAtomic(d disk, path string, overwrite bool) (*Atomic, error) {
	there, regular, err := findFile(d, path)
	if err != nil {
		return nil, err
	}
	if there && regular && !overwrite {
		return nil, fs.ErrExist
	}
	a := &Atomic{disk: d, path: path, overwrite: overwrite}
	if there && !regular {
		a.h, err = d.open(path, os.O_WRONLY)
		if err != nil {
			return nil, err
		}
		return a, nil
	}
	var id [8]byte
	rand.Read(id[:])
	a.temp = filepath.Join(filepath.Dir(path), ".streamcrypt-"+hex.EncodeToString(id[:])+".tmp")
	a.h, err = d.open(a.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// writebackStep is the number of bytes after which the kernel is asked to begin
// writing them to the disk.
const writebackStep = 8 << 20

// Write writes to the temporary file.
func (a *Atomic) Write(p []byte) (int, error) {
	n, err := a.h.Write(p)
	a.written += int64(n)
	if fresh := a.written - a.started; fresh >= writebackStep && a.temp != "" {
		startWriteback(a.h, a.started, fresh)
		a.started = a.written
	}
	return n, err
}

// Commit makes the file durable and gives it its name. When it fails the file
// is gone.
func (a *Atomic) Commit() error {
	if a.done {
		return errors.New("file is closed already")
	}
	a.done = true
	if a.temp == "" {
		return a.h.Close()
	}
	if err := errors.Join(a.h.Sync(), a.h.Close()); err != nil {
		return errors.Join(err, a.disk.remove(a.temp))
	}
	if err := a.giveName(); err != nil {
		return errors.Join(err, a.disk.remove(a.temp))
	}
	return a.disk.syncDir(filepath.Dir(a.path))
}

// giveName renames the temporary file. A file of that name that somebody made
// meanwhile is kept.
func (a *Atomic) giveName() error {
	there, regular, err := findFile(a.disk, a.path)
	if err != nil {
		return err
	}
	if there && (!a.overwrite || !regular) {
		return fs.ErrExist
	}
	if !a.overwrite {
		switch err := a.disk.link(a.temp, a.path); {
		case err == nil:
			if err := a.disk.remove(a.temp); err != nil {
				return errors.Join(err, a.disk.remove(a.path))
			}
			return nil
		case errors.Is(err, fs.ErrExist):
			return fs.ErrExist
		case !lacksLinks(err):
			return err
		}
		// Without links, a file that appears after the check above is replaced.
	}
	return a.disk.rename(a.temp, a.path)
}

// lacksLinks tells whether an error says that the file system has no hard
// links, or denies them to us.
func lacksLinks(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission)
}

// Abort removes the temporary file. After Commit it does nothing, so it can be
// deferred.
func (a *Atomic) Abort() error {
	if a.done {
		return nil
	}
	a.done = true
	err := a.h.Close()
	if a.temp == "" {
		return err
	}
	return errors.Join(err, a.disk.remove(a.temp))
}
