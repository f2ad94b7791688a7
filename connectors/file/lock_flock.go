//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package file

import (
	"errors"
	"syscall"
)

// hasLocks tells whether the system locks files. Where it does not, one that is
// open can perhaps not be replaced either.
const hasLocks = true

// lockFile implements disk. The lock is let go when the file is closed, or its
// process ends.
func (osDisk) lockFile(h handle) error {
	f, ok := h.(interface{ Fd() uintptr })
	if !ok {
		return nil
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return errInUse
		case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.ENOLCK):
			return nil // a network file system without locks
		default:
			return err
		}
	}
}
