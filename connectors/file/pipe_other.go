//go:build !linux

package file

import (
	"errors"
	"io"
	"os"
)

// openDevice opens a pipe or a device at the first read: opening a named pipe
// waits for its writer.
func openDevice(path string) (io.ReadCloser, error) { return &lateFile{path: path}, nil }

// lateFile is a file that is opened when it is read.
type lateFile struct {
	path string
	file *os.File
}

// Read opens the file if need be.
func (l *lateFile) Read(p []byte) (int, error) {
	if l.file == nil {
		f, err := os.Open(l.path)
		if err != nil {
			return 0, err
		}
		l.file = f
	}
	return l.file.Read(p)
}

// Close closes the file if it was opened.
func (l *lateFile) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

func reopenFile(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }
