package file

import (
	"context"
	"errors"
	"io"
	"os"
)

// input is an open file or pipe.
type input interface {
	// read returns at least one byte or an error; io.EOF comes alone.
	read(ctx context.Context, p []byte) (int, error)
	// isLive tells whether read may have to wait for a writer. Such an input
	// cannot be read again.
	isLive() bool
	close()
}

// regular is a regular file, read from its beginning.
type regular struct{ *os.File }

func (r regular) read(ctx context.Context, p []byte) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return r.Read(p)
}

func (regular) isLive() bool { return false }
func (r regular) close()     { _ = r.Close() } // opened for reading: nothing to lose

var errFolder = errors.New("is a folder")

// isRegular tells whether a path is a regular file, and refuses a folder.
func isRegular(path string) (bool, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return false, err
	case info.IsDir():
		return false, errFolder
	}
	return info.Mode().IsRegular(), nil
}

// openInput opens a file, or standard input for Stream. The size of a regular
// file comes with it, else -1.
func openInput(path string, stdin io.Reader) (input, int64, error) {
	if path == Stream {
		return newPipe(stdin), -1, nil
	}
	is, err := isRegular(path)
	if err != nil {
		return nil, -1, err
	}
	if !is {
		p, err := openPipe(path)
		return p, -1, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, -1, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, -1, errors.Join(err, f.Close())
	}
	return regular{f}, info.Size(), nil
}
