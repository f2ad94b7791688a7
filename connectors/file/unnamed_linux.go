package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openUnnamed implements disk with O_TMPFILE, which most local file systems
// have.
func (osDisk) openUnnamed(dir string) (unnamed, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	for errors.Is(err, unix.EINTR) {
		fd, err = unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	}
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EISDIR), errors.Is(err, unix.EINVAL):
		return nil, errors.ErrUnsupported
	case err != nil:
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	f := unnamedFile{os.NewFile(uintptr(fd), dir)}
	if _, err := os.Stat(f.procPath()); err != nil { // there is no /proc: it could never get a name
		return nil, errors.Join(errors.ErrUnsupported, f.Close())
	}
	return f, nil
}

type unnamedFile struct{ *os.File }

func (f unnamedFile) procPath() string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// linkTo implements unnamed.
func (f unnamedFile) linkTo(path string) error {
	err := unix.Linkat(unix.AT_FDCWD, f.procPath(), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &os.LinkError{Op: "link", Old: "a file without a name", New: path, Err: err}
	}
	return nil
}
