package members

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/streamcrypt/streamcrypt/connectors/format"
)

// errNoMember says that a file is empty, which no compressed file is.
var errNoMember = fmt.Errorf("%w: no compressed data", format.ErrTruncated)

// Reader reads the content of all members, one after the other. A member that
// is cut off is format.ErrTruncated, damage and bytes that are no member are
// format.ErrMalformed, and a window of more than 8 MiB is format.ErrTooLarge.
// It is used by one goroutine.
type Reader struct {
	kind Kind
	in   *bufio.Reader
	from *counter // that in reads

	gzip  *gzip.Reader
	zstd  *zstd.Decoder
	frame frameReader

	begun bool  // a member is being read
	whole int64 // where the last whole member ends
	err   error
}

// inputBuffer is how much is read at once, in bytes.
const inputBuffer = 128 << 10

// NewReader returns a Reader of members of a kind, which is not None.
func NewReader(kind Kind, in io.Reader) *Reader {
	from := &counter{in: in}
	return &Reader{kind: kind, from: from, in: bufio.NewReaderSize(from, inputBuffer)}
}

// Read implements io.Reader. io.EOF comes alone.
func (r *Reader) Read(p []byte) (int, error) {
	for r.err == nil && len(p) > 0 {
		if !r.begun {
			if r.err = r.beginMember(); r.err != nil {
				break
			}
		}
		n, err := r.readMember(p)
		if err != nil {
			r.endMember(err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, r.err
}

// Whole returns where the last whole member ends that was read, counted in
// bytes of the input.
func (r *Reader) Whole() int64 { return r.whole }

// Consumed returns how many bytes of the input were used.
func (r *Reader) Consumed() int64 { return r.from.n - int64(r.in.Buffered()) }

// Close frees memory. The input stays open.
func (r *Reader) Close() {
	if r.zstd != nil {
		r.zstd.Close()
	}
}

// magics are the first bytes of members.
var magics = map[Kind]string{Gzip: "\x1f\x8b\x08", Zstd: "\x28\xb5\x2f\xfd"}

// ContainsMember tells whether a whole member begins anywhere in b but at its
// start.
func (k Kind) ContainsMember(b []byte) bool {
	magic := []byte(magics[k])
	for len(b) > 0 {
		b = b[1:]
		i := bytes.Index(b, magic)
		if i < 0 {
			return false
		}
		b = b[i:]
		r := NewReader(k, bytes.NewReader(b))
		for err := error(nil); err == nil && r.Whole() == 0; {
			_, err = io.CopyN(io.Discard, r, inputBuffer)
		}
		r.Close()
		if r.Whole() > 0 {
			return true
		}
	}
	return false
}

// beginMember begins the next member, or returns io.EOF behind the last one.
func (r *Reader) beginMember() error {
	if _, err := r.in.Peek(1); err != nil {
		if err == io.EOF && r.whole == 0 {
			return errNoMember
		}
		return err
	}
	var err error
	if r.kind == Gzip {
		if r.gzip == nil {
			r.gzip, err = gzip.NewReader(r.in)
		} else {
			err = r.gzip.Reset(r.in)
		}
		if err == nil {
			r.gzip.Multistream(false)
		}
	} else {
		err = r.beginFrame()
	}
	if err != nil {
		return r.explain(err)
	}
	r.begun = true
	return nil
}

func (r *Reader) beginFrame() error {
	if err := r.frame.begin(r.in); err != nil {
		return err
	}
	if r.zstd != nil {
		return r.zstd.Reset(&r.frame)
	}
	var err error
	r.zstd, err = zstd.NewReader(&r.frame, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	return err
}

func (r *Reader) readMember(p []byte) (int, error) {
	switch {
	case r.kind == Gzip:
		return r.gzip.Read(p)
	case r.frame.skips:
		return 0, r.frame.skipContent()
	}
	return r.zstd.Read(p)
}

// endMember takes the error that a member has ended with.
func (r *Reader) endMember(err error) {
	if err != io.EOF {
		r.err = r.explain(err)
		return
	}
	r.begun, r.whole = false, r.Consumed()
}

// explain returns an error of the input as it is, and gives every other one a
// reason of package format.
func (r *Reader) explain(err error) error {
	switch {
	case r.from.err != nil && r.from.err != io.EOF:
		return r.from.err
	case errors.Is(err, format.ErrTooLarge):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), err == io.EOF:
		return fmt.Errorf("%w: the last %s is not whole", format.ErrTruncated, r.kind.memberName())
	}
	return fmt.Errorf("%w: %s: %w", format.ErrMalformed, r.kind, err)
}

func (k Kind) memberName() string {
	if k == Gzip {
		return "gzip member"
	}
	return "zstd frame"
}

// counter counts the bytes that are read, and keeps the last error.
type counter struct {
	in  io.Reader
	n   int64
	err error
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	c.err = err
	return n, err
}
