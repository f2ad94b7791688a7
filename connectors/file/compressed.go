package file

import (
	"context"
	"io"
	"math"
	"os"

	"github.com/streamcrypt/streamcrypt/connectors/format/members"
)

// compressed is a regular file of gzip members or zstd frames. Its content has
// no index: a byte is found by reading everything before it.
type compressed struct {
	file *os.File
	kind members.Kind
	in   *members.Reader
	at   int64 // of the next byte of the content
}

func newCompressed(file *os.File, kind members.Kind) *compressed {
	c := &compressed{file: file, kind: kind}
	c.beginAgain()
	return c
}

func (c *compressed) beginAgain() {
	if c.in != nil {
		c.in.Close()
	}
	c.in, c.at = members.NewReader(c.kind, io.NewSectionReader(c.file, 0, math.MaxInt64)), 0
}

func (c *compressed) read(ctx context.Context, p []byte) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.in.Read(p)
	c.at += int64(n)
	return n, err
}

func (c *compressed) seekTo(ctx context.Context, offset int64) error {
	if offset < c.at {
		c.beginAgain()
	}
	var piece []byte
	if offset > c.at {
		piece = make([]byte, min(offset-c.at, knownPiece))
	}
	for c.at < offset {
		_, err := c.read(ctx, piece[:min(offset-c.at, int64(len(piece)))])
		if err == io.EOF {
			return nil // the next read finds out as well
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *compressed) openAgain() stored { return newCompressed(c.file, c.kind) }
func (c *compressed) countRead() int64  { return c.in.Consumed() }
func (*compressed) isLive() bool        { return false }

func (c *compressed) close() {
	c.in.Close()
	_ = c.file.Close() // opened for reading: nothing to lose
}

// unpackStream returns the content of a stream.
func unpackStream(kind members.Kind, in io.Reader) io.Reader {
	if kind == members.None {
		return in
	}
	return members.NewReader(kind, in)
}
