package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// DefaultCodecMemory is the default of Codecs.Limit, in bytes. It is enough
	// for blocks of 4 MiB, which are the largest of lz4, and for windows of 8
	// MiB, which RFC 8878 recommends as the largest of zstd.
	DefaultCodecMemory = 10 << 20
	// MinCodecMemory is the least that Codecs.Limit may be, in bytes: enough
	// for every block of lz4.
	MinCodecMemory = decoderMemory + lz4MaxBlock + lz4Window

	// decoderMemory is the most that the decoders of gzip and zstd hold
	// together beside blocks and windows: tables, literals, the window of gzip.
	// A test measures it.
	decoderMemory = 1 << 20
)

// CodecMemoryFor returns the Codecs.Limit that suits batches and records of up
// to largest bytes: DefaultCodecMemory, or room for a block of that size: a
// batch that is one record may be one block.
func CodecMemoryFor(largest int) int {
	return max(DefaultCodecMemory, largest+largest/8+decoderMemory+2*zstdMaxBlock)
}

// Codecs inflates compressed batches, one at a time. It keeps its decoders and
// their memory from batch to batch, so that a lane which owns one inflates
// without new memory. The memory is counted: before a decoder is given a batch,
// the batch's headers tell how much it will take, and a batch that takes more
// than Limit is ErrTooLarge.
//
// The zero value is ready. It is used by one goroutine at a time. Several
// Readers may share it.
type Codecs struct {
	// Limit is the most that all decoders may hold together, in bytes;
	// DefaultCodecMemory if it is 0.
	Limit int

	taken  bool         // by an inflater
	source bytes.Reader // of gzip and zstd, which read a stream
	block  []byte       // memory of the block that is read at present
	window int          // bytes of the largest window that zstd has had
	gzip   *gzip.Reader
	zstd   *zstd.Decoder
	blocks blockReader
	lz4    lz4Frames
	snappy snappyBlocks
}

// openBody returns a reader of the inflated body. The reader is valid until
// close.
func (c *Codecs) openBody(compression Compression, body []byte) (io.Reader, error) {
	switch compression {
	case Gzip:
		return c.openGzip(body)
	case Snappy:
		return c.openSnappy(body)
	case LZ4:
		c.lz4.beginBody(c, body)
		return c.readBlocks(&c.lz4), nil
	case Zstd:
		return c.openZstd(body)
	default:
		return nil, unknownCodec(compression)
	}
}

// closeBody lets go of the batch. The decoders stay.
func (c *Codecs) closeBody() {
	c.source.Reset(nil)
	c.blocks, c.lz4.rest, c.snappy.rest = blockReader{}, nil, nil
	if c.zstd != nil {
		_ = c.zstd.Reset(nil) // fails only once the decoder is closed, which nobody does
	}
	c.taken = false
}

// blockLimit returns the most bytes that blocks and windows may take.
func (c *Codecs) blockLimit() int {
	if c.Limit <= 0 {
		return DefaultCodecMemory - decoderMemory
	}
	return max(0, c.Limit-decoderMemory)
}

// countHeld returns the bytes of the blocks and windows that are held at
// present.
func (c *Codecs) countHeld() int { return cap(c.block) + c.window }

// reserveBlock makes c.block at least n bytes long. It drops the window that a
// batch before has left behind if there is no room for both.
func (c *Codecs) reserveBlock(compression Compression, n uint64) error {
	if err := c.checkNeed(compression, n); err != nil {
		return err
	}
	if n := int(n); cap(c.block) < n {
		c.block = nil // the collector may have it before the new one is made
		if c.window+n > c.blockLimit() {
			c.zstd, c.window = nil, 0
		}
		c.block = make([]byte, n)
	}
	c.block = c.block[:cap(c.block)]
	return nil
}

// reserveWindow counts n bytes that zstd will take. It drops the block that a
// batch before has left behind if there is no room for both.
func (c *Codecs) reserveWindow(n uint64) error {
	if err := c.checkNeed(Zstd, n); err != nil {
		return err
	}
	c.window = max(c.window, int(n))
	if c.countHeld() > c.blockLimit() {
		c.block = nil
	}
	return nil
}

// checkNeed refuses a batch that takes more than the limit.
func (c *Codecs) checkNeed(compression Compression, n uint64) error {
	if limit := c.blockLimit(); n > uint64(limit) {
		return fmt.Errorf("%w: %s needs %d bytes of memory, the limit is %d",
			ErrTooLarge, compression, n, limit)
	}
	return nil
}

func (c *Codecs) openGzip(body []byte) (io.Reader, error) {
	c.source.Reset(body)
	var err error
	if c.gzip == nil {
		c.gzip, err = gzip.NewReader(&c.source)
	} else {
		err = c.gzip.Reset(&c.source)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // a batch without a gzip header is not an empty one
	}
	return c.gzip, err
}

// blockSource takes a batch apart into blocks.
type blockSource interface {
	// nextBlock returns the next block, which is valid until the call after it,
	// or io.EOF. A block may be empty.
	nextBlock() ([]byte, error)
}

// readBlocks returns a reader of the blocks one after the other.
func (c *Codecs) readBlocks(from blockSource) io.Reader {
	c.blocks = blockReader{from: from}
	return &c.blocks
}

// blockReader makes an io.Reader of blocks.
type blockReader struct {
	from blockSource // nil once there are no more
	left []byte      // of the block at hand
}

// Read implements io.Reader.
func (r *blockReader) Read(b []byte) (int, error) {
	for len(r.left) == 0 {
		if r.from == nil {
			return 0, io.EOF
		}
		var err error
		if r.left, err = r.from.nextBlock(); err != nil {
			return 0, err
		}
	}
	n := copy(b, r.left)
	r.left = r.left[n:]
	return n, nil
}
