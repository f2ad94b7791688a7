package file

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Atomic is a file that appears under its name complete or not at all. Until
// then it has no name, where the system can do that, so nothing of it is left
// when the process is killed. Elsewhere it has a temporary name in the same
// folder, which follows from its own: the next Atomic of that name removes the
// file that the last one has left. Only its owner can read it.
//
// A destination that exists and is no regular file, such as a device or a named
// pipe, cannot be replaced: it is written directly, and Abort takes nothing
// back.
//
// It is used by one goroutine.
type Atomic struct {
	disk      disk
	h         handle
	unnamed   unnamed // h, if it has no name
	path      string
	temp      string // the temporary name; "" when path is written itself
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
		return a, err
	}
	a.temp = nameTemp(path)
	if err := removeLeft(d, a.temp); err != nil {
		return nil, err
	}
	a.unnamed, err = d.openUnnamed(filepath.Dir(path))
	switch {
	case err == nil:
		a.h = a.unnamed
		return a, nil
	case !errors.Is(err, errors.ErrUnsupported):
		return nil, err
	}
	if a.h, err = d.open(a.temp, os.O_RDWR|os.O_CREATE|os.O_EXCL); err != nil {
		return nil, err
	}
	if err := d.lockFile(a.h); err != nil {
		return nil, errors.Join(err, a.h.Close())
	}
	return a, nil
}

// nameTemp returns the temporary name of a file. It is short however long the
// name of the file is.
func nameTemp(path string) string {
	sum := sha256.Sum256([]byte(filepath.Base(path)))
	return filepath.Join(filepath.Dir(path), ".streamcrypt-"+hex.EncodeToString(sum[:8])+".tmp")
}

// errInUse says that another process writes to a file.
var errInUse = errors.New("another run writes to it")

// removeLeft removes the file that a killed run has left under a temporary
// name.
func removeLeft(d disk, temp string) error {
	h, err := d.open(temp, os.O_RDWR)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	if err := d.lockFile(h); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", temp, err), h.Close())
	}
	return errors.Join(d.remove(temp), h.Close())
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
	if a.temp == "" {
		a.done = true
		return a.h.Close()
	}
	if err := a.commitOpen(); err != nil {
		return err
	}
	return errors.Join(a.h.Close(), a.disk.syncDir(filepath.Dir(a.path)))
}

// commitOpen makes the content durable and gives the file its name, which is
// durable when the folder is. The handle stays open, and is the caller's.
func (a *Atomic) commitOpen() error {
	if a.temp == "" { // written directly
		a.done = true
		return nil
	}
	err := a.h.Sync()
	if err == nil {
		err = a.giveName()
	}
	if err != nil {
		return errors.Join(err, a.Abort())
	}
	a.done = true
	return nil
}

// giveName gives the file its name. A file of that name that somebody made
// meanwhile is kept.
func (a *Atomic) giveName() error {
	there, regular, err := findFile(a.disk, a.path)
	switch {
	case err != nil:
		return err
	case there && (!a.overwrite || !regular):
		return fs.ErrExist
	case a.unnamed == nil:
		return moveFile(a.disk, a.temp, a.path, a.overwrite)
	}
	err = a.unnamed.linkTo(a.path)
	if !errors.Is(err, fs.ErrExist) || !a.overwrite {
		return err
	}
	if err := a.unnamed.linkTo(a.temp); err != nil {
		return err
	}
	return a.disk.rename(a.temp, a.path)
}

// moveFile renames a file. A file that has the new name already is replaced if
// that is said.
func moveFile(d disk, from, to string, replace bool) error {
	if replace {
		return d.rename(from, to)
	}
	switch err := d.link(from, to); {
	case err == nil:
		if err := d.remove(from); err != nil {
			return errors.Join(err, d.remove(to))
		}
		return nil
	case errors.Is(err, fs.ErrExist):
		return fs.ErrExist
	case !lacksLinks(err):
		return err
	}
	// Without links, a file that appears after this check is replaced.
	there, _, err := findFile(d, to)
	switch {
	case err != nil:
		return err
	case there:
		return fs.ErrExist
	}
	return d.rename(from, to)
}

// lacksLinks tells whether an error says that the file system has no hard
// links, or denies them to us.
func lacksLinks(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission)
}

// Abort removes the file. After Commit it does nothing, so it can be deferred.
func (a *Atomic) Abort() error {
	if a.done {
		return nil
	}
	a.done = true
	if a.temp == "" {
		return a.h.Close()
	}
	err := a.disk.remove(a.temp) // before the lock is let go
	if a.unnamed != nil && errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, a.h.Close())
}
