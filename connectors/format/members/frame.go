package members

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/streamcrypt/streamcrypt/connectors/format"
)

// frameReader reads the bytes of one zstd frame and ends behind its last one
// (RFC 8878, section 3.1.1). The library reads frames one after the other and
// does not tell where one ends.
type frameReader struct {
	in    *bufio.Reader
	skips bool // a skippable frame: it has no content

	left     int64 // bytes of the part in hand
	last     bool  // it is that of the last block
	checksum bool  // one follows the last block
	ended    bool
}

// ErrWindow says that a zstd frame takes more memory than a Reader has. It
// wraps format.ErrTooLarge.
var ErrWindow = fmt.Errorf("%w: a zstd window of more than %d MiB", format.ErrTooLarge, maxWindow>>20)

const (
	blockHeader  = 3
	checksumSize = 4
	// blockRLE is the type of a block that is one byte, repeated.
	blockRLE = 1
)

// begin begins the next frame.
func (f *frameReader) begin(in *bufio.Reader) error {
	head, err := in.Peek(zstd.HeaderMaxSize)
	if err != nil && err != io.EOF {
		return err
	}
	var h zstd.Header
	if err := h.Decode(head); err != nil {
		return err
	}
	*f = frameReader{in: in, skips: h.Skippable, left: int64(h.HeaderSize), checksum: h.HasCheckSum}
	window := h.WindowSize
	if h.SingleSegment {
		window = h.FrameContentSize
	}
	switch {
	case h.Skippable:
		f.left += int64(h.SkippableSize)
	case window > maxWindow:
		return ErrWindow
	case h.DictionaryID != 0:
		return errors.New("a dictionary is needed")
	}
	return nil
}

// Read implements io.Reader.
func (f *frameReader) Read(p []byte) (int, error) {
	for f.left == 0 {
		if f.ended {
			return 0, io.EOF
		}
		if err := f.beginPart(); err != nil {
			return 0, err
		}
	}
	n, err := f.in.Read(p[:min(int64(len(p)), f.left)])
	f.left -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// beginPart begins the next block with its header, or the checksum.
func (f *frameReader) beginPart() error {
	switch {
	case f.last && f.checksum:
		f.left, f.checksum, f.ended = checksumSize, false, true
		return nil
	case f.last:
		f.ended = true
		return nil
	}
	b, err := f.in.Peek(blockHeader)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	header := binary.LittleEndian.Uint32(append([]byte(nil), b[0], b[1], b[2], 0))
	f.last = header&1 != 0
	f.left = blockHeader + int64(header>>3)
	if header>>1&3 == blockRLE {
		f.left = blockHeader + 1
	}
	return nil
}

// skipContent reads a skippable frame to its end, and returns io.EOF there.
func (f *frameReader) skipContent() error {
	n, err := f.in.Discard(int(min(f.left, inputBuffer)))
	f.left -= int64(n)
	switch {
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	case err == nil && f.left == 0:
		return io.EOF
	}
	return err
}
