package service

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"time"
)

// MaxFile is the size in bytes beyond which nothing of a file is looked at.
const MaxFile = 1 << 20

// File is the content of a file at one moment.
type File struct {
	Data []byte
	sum  [sha256.Size]byte
}

// ReadFile reads a file, at most one byte more than MaxFile of it.
func ReadFile(name string) (*File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, err
	}
	return &File{Data: data, sum: sha256.Sum256(data)}, nil
}

// Watch looks at the file again after each interval, until ctx ends, and calls
// changed with a content that differs from the one before. The content counts,
// and neither its time nor its inode: Kubernetes swaps a link above a mounted
// file, and editors write another file in its place. A content is taken up when
// two looks in a row have found it, so that no file is read while it is being
// written. A file that is away is taken for one that has not changed.
func (f *File) Watch(ctx context.Context, name string, every time.Duration, changed func(*File)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	known, seen := f.sum, f.sum
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, err := ReadFile(name)
		switch {
		case err != nil:
		case now.sum == known || now.sum != seen:
			seen = now.sum
		default:
			known = now.sum
			changed(now)
		}
	}
}
