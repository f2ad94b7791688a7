package file

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/streamcrypt/streamcrypt/connectors/format/members"
)

// input is an open file or pipe. Its bytes are those of the content, however
// they are stored.
type input interface {
	// read returns at least one byte or an error; io.EOF comes alone.
	read(ctx context.Context, p []byte) (int, error)
	// isLive tells whether read may have to wait for a writer. Such an input
	// cannot be read again.
	isLive() bool
	close()
}

// stored is an input that can be read again: a regular file.
type stored interface {
	input
	// seekTo has read go on at a byte. Behind the end that is found out by
	// read.
	seekTo(ctx context.Context, offset int64) error
	// openAgain returns another input over the same open file, which begins at
	// its beginning. It needs no close, and is used by another goroutine.
	openAgain() stored
	// countRead returns how many bytes of the file were read.
	countRead() int64
}

// regular is a regular file that is not compressed.
type regular struct {
	file *os.File
	at   int64 // of the next byte
}

func (r *regular) read(ctx context.Context, p []byte) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.file.ReadAt(p, r.at)
	r.at += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (r *regular) seekTo(_ context.Context, offset int64) error {
	r.at = offset
	return nil
}

func (r *regular) openAgain() stored { return &regular{file: r.file} }
func (r *regular) countRead() int64  { return r.at }
func (*regular) isLive() bool        { return false }
func (r *regular) close()            { _ = r.file.Close() } // opened for reading: nothing to lose

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
func openInput(path string, kind members.Kind, stdin io.Reader) (input, int64, error) {
	if path == Stream {
		return newPipe(stdin, kind), -1, nil
	}
	is, err := isRegular(path)
	if err != nil {
		return nil, -1, err
	}
	if !is {
		p, err := openPipe(path, kind)
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
	if kind != members.None {
		return newCompressed(f, kind), info.Size(), nil
	}
	return &regular{file: f}, info.Size(), nil
}
