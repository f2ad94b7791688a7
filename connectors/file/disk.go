package file

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// disk is the file system of outputs and checkpoints. A test replaces it by one
// that forgets bytes that were not synced.
type disk interface {
	open(path string, flag int) (handle, error) // a new file is readable by its owner only
	// openUnnamed makes a file in dir that has no name and is gone when it is
	// closed without one; errors.ErrUnsupported where that is not possible.
	openUnnamed(dir string) (unnamed, error)
	// lockFile takes the lock of an open file for as long as it is open, or
	// returns errInUse if another one has it.
	lockFile(h handle) error
	stat(path string) (size int64, regular bool, err error)
	rename(from, to string) error
	link(from, to string) error // fs.ErrExist if to exists
	isSame(a, b string) bool    // whether both names are those of one file
	// hasName tells whether a name is that of an open file.
	hasName(h handle, path string) bool
	remove(path string) error
	makeDir(dir string) error // and the folders above it, for the owner only
	syncDir(dir string) error // makes new names in dir durable
}

type handle interface {
	io.Reader
	io.Writer
	io.Seeker
	io.Closer
	Truncate(size int64) error
	Sync() error
}

// unnamed is a file that has no name yet.
type unnamed interface {
	handle
	// linkTo gives it a name; fs.ErrExist if that is taken.
	linkTo(path string) error
}

type osDisk struct{}

func (osDisk) open(path string, flag int) (handle, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (osDisk) stat(path string) (int64, bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false, err
	}
	return info.Size(), info.Mode().IsRegular(), nil
}

func (osDisk) rename(from, to string) error { return os.Rename(from, to) }

func (osDisk) link(from, to string) error { return os.Link(from, to) }

func (osDisk) isSame(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

func (osDisk) hasName(h handle, path string) bool {
	f, ok := h.(*os.File)
	if !ok {
		return false
	}
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(mine, named)
}

func (osDisk) remove(path string) error { return os.Remove(path) }

func (osDisk) makeDir(dir string) error { return os.MkdirAll(dir, 0o700) }

func (osDisk) syncDir(dir string) error {
	if runtime.GOOS == "windows" { // directories cannot be opened for that there
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// findFile tells whether path exists, and whether it is a regular file or free,
// so that it can be replaced.
func findFile(d disk, path string) (there, regular bool, err error) {
	_, regular, err = d.stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, true, nil
	}
	return err == nil, regular, err
}
