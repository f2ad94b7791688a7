//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package audit

import (
	"errors"
	"syscall"
	"time"
)

// lockWait is how long a line waits for other processes to write theirs.
const lockWait = 10 * time.Second

// lockFile takes the exclusive lock of an open file. The lock ends with
// unlockFile, or when the file is closed or the process ends.
func lockFile(f handle) error {
	for waited, wait := time.Duration(0), time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return err
		case waited >= lockWait:
			return ErrLocked
		}
		time.Sleep(wait)
		waited += wait
	}
}

func unlockFile(f handle) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
