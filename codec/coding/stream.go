package coding

import (
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// NewReader returns a reader of the payload that src is the coded form of. It
// holds a window of the payload in memory, and no more than limit bytes of
// payload are read; 0: any number. The caller closes it.
func NewReader(src io.Reader, c Coding, limit int64) (io.ReadCloser, error) {
	r := &reader{src: src, limit: limit}
	if c.Padded {
		r.src = &unpadder{src: src}
	}
	if !c.Compressed {
		return r, nil
	}
	r.frame = &frameReader{src: r.src, dictionary: c.Dictionary, limit: limit}
	var err error
	if r.zstd, err = zstd.NewReader(nil, decoderOptions(c.Dictionary, 0)...); err != nil {
		return nil, err
	}
	return r, nil
}

// reader undoes the coding of a stream.
type reader struct {
	src   io.Reader
	limit int64
	read  int64

	frame *frameReader // nil without compression
	zstd  *zstd.Decoder
	begun bool
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (n int, err error) {
	switch {
	case r.zstd == nil:
		n, err = r.src.Read(p)
	case !r.begun:
		r.begun = true
		if err := r.zstd.Reset(r.frame); err != nil {
			return 0, r.frame.explain(err)
		}
		fallthrough
	default:
		if n, err = r.zstd.Read(p); err != nil {
			err = r.frame.explain(err)
		}
	}
	if r.read += int64(n); r.limit > 0 && r.read > r.limit {
		clear(p[:n])
		return 0, errPayload(r.limit)
	}
	return n, err
}

// Close implements io.Closer.
func (r *reader) Close() error {
	if r.zstd != nil {
		r.zstd.Close()
	}
	return nil
}

// frameReader hands a frame on to the library and sees to it that it is one,
// and that nothing follows it.
type frameReader struct {
	src        io.Reader
	dictionary *Dictionary
	limit      int64

	head     []byte // to be handed on
	begun    bool
	left     int // bytes of the block, or of the checksum
	last     bool
	checksum bool
	ended    bool
	err      error // ours, or of src
}

// explain returns the error of the library, or the one that has caused it.
func (f *frameReader) explain(err error) error {
	switch {
	case f.err != nil && f.err != io.EOF:
		return f.err
	case err == io.EOF:
		return err
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return errWindow
	}
	return errFrame // that of the library may show bytes of the payload
}

// Read implements io.Reader.
func (f *frameReader) Read(p []byte) (int, error) {
	if len(p) == 0 || f.err != nil {
		return 0, f.err
	}
	if !f.begun {
		f.begun = true
		if f.err = f.readHead(); f.err != nil {
			return 0, f.err
		}
	}
	for len(f.head) == 0 && f.left == 0 {
		if f.err = f.readNext(); f.err != nil {
			return 0, f.err
		}
	}
	if len(f.head) > 0 {
		n := copy(p, f.head)
		f.head = f.head[n:]
		return n, nil
	}
	n, err := f.src.Read(p[:min(len(p), f.left)])
	f.left -= n
	if err != nil && (err != io.EOF || f.left > 0) {
		f.err = unexpected(err)
	}
	return n, f.err
}

// unexpected is the error of a source that may not end yet.
func unexpected(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errFrame
	}
	return err
}

// readHead reads the head of the frame byte by byte: it says how long it is.
func (f *frameReader) readHead() error {
	var b [maxFrameHead]byte
	var h frameHead
	ok := false
	for n := range b {
		if _, err := io.ReadFull(f.src, b[n:n+1]); err != nil {
			return unexpected(err)
		}
		if h, ok = parseFrameHead(b[:n+1]); ok {
			break
		}
	}
	if !ok {
		return errFrame
	}
	if err := h.check(f.dictionary, f.limit); err != nil {
		return err
	}
	f.checksum = h.checksum
	f.head = h.appendHead(nil, b[:], f.dictionary)
	return nil
}

// readNext reads the head of the next block, or the end of the frame.
func (f *frameReader) readNext() error {
	switch {
	case f.ended:
		var b [1]byte
		switch n, err := io.ReadFull(f.src, b[:]); {
		case n > 0:
			return errFrame
		default:
			return err // io.EOF is what should come
		}
	case f.last:
		f.ended = true
		if f.checksum {
			f.left = 4
		}
		return nil
	}
	var b [blockHeadSize]byte
	if _, err := io.ReadFull(f.src, b[:]); err != nil {
		return unexpected(err)
	}
	size, last, ok := parseBlockHead(b[:])
	if !ok {
		return errFrame
	}
	f.head, f.left, f.last = bytes.Clone(b[:]), size, last
	return nil
}

// unpadder takes the padding off a stream. Of bytes that may be padding it
// keeps the number.
type unpadder struct {
	src   io.Reader
	buf   []byte // that was read
	rest  []byte // of buf, to be looked at
	mark  bool   // a mark was read, and then nothing but zeros
	zeros int64
	// release says that mark and zeros are payload after all.
	release bool
}

// unpadSize is how much an unpadder reads at once.
const unpadSize = 32 << 10

// Read implements io.Reader.
func (u *unpadder) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		switch {
		case u.release:
			return u.releaseTo(p), nil
		case len(u.rest) == 0:
			if err := u.fill(); err != nil {
				return 0, err
			}
		case u.mark:
			kept := bytes.TrimLeft(u.rest, "\x00")
			u.zeros += int64(len(u.rest) - len(kept))
			u.rest, u.release = kept, len(kept) > 0
		case u.rest[0] == 0x80:
			u.rest, u.mark, u.zeros = u.rest[1:], true, 0
		default:
			end := bytes.IndexByte(u.rest, 0x80)
			if end < 0 {
				end = len(u.rest)
			}
			n := copy(p, u.rest[:end])
			u.rest = u.rest[n:]
			return n, nil
		}
	}
}

// releaseTo hands on the mark and the zeros.
func (u *unpadder) releaseTo(p []byte) int {
	n := 0
	if u.mark {
		p[0], n, u.mark = 0x80, 1, false
	}
	zeros := int(min(u.zeros, int64(len(p)-n)))
	clear(p[n : n+zeros])
	u.zeros -= int64(zeros)
	u.release = u.zeros > 0
	return n + zeros
}

func (u *unpadder) fill() error {
	if u.buf == nil {
		u.buf = make([]byte, unpadSize)
	}
	n, err := u.src.Read(u.buf)
	u.rest = u.buf[:n]
	switch {
	case n > 0 || err == nil:
		return nil
	case err == io.EOF && !u.mark:
		return errPadding
	}
	return err
}
