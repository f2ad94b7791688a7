package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openDevice opens a pipe or a device so that a deadline ends its reads, if it
// is one that can have deadlines.
func openDevice(path string) (io.ReadCloser, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeNamedPipe == 0 {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		return f, nil
	}
	// Without O_NONBLOCK open itself waits for a writer, and nothing ends that.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return &awaited{File: f}, nil
}

// awaited is a named pipe that was opened without waiting for a writer.
type awaited struct {
	*os.File
	met bool // a writer was there
}

// Read waits for the first writer, before which a read would find the end.
func (a *awaited) Read(p []byte) (int, error) {
	if !a.met {
		if err := a.waitForWriter(); err != nil {
			return 0, err
		}
		a.met = true
	}
	return a.File.Read(p)
}

// waitForWriter waits until the pipe is readable: a writer wrote, or came and
// went.
func (a *awaited) waitForWriter() error {
	conn, err := a.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Read(func(fd uintptr) bool {
		ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(ready, 0)
		for errors.Is(err, unix.EINTR) {
			n, err = unix.Poll(ready, 0)
		}
		if err != nil {
			failed = os.NewSyscallError("poll", err)
		}
		return n > 0 || err != nil // else the runtime waits and asks again
	})
	return errors.Join(err, failed)
}

// reopenFile opens a pipe or terminal that is open once more, as a file that
// can have deadlines. Setting its own descriptor to O_NONBLOCK would set it for
// every process that shares it, such as a shell on the same terminal.
func reopenFile(f *os.File) (*os.File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode()&(fs.ModeNamedPipe|fs.ModeCharDevice) == 0 {
		return nil, errors.ErrUnsupported
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var again *os.File
	use := func(fd uintptr) {
		path := fmt.Sprintf("/proc/self/fd/%d", fd)
		again, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	}
	if err := conn.Control(use); err != nil {
		return nil, err
	}
	return again, err
}
