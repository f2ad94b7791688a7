package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Compression is how the records of a batch are compressed, as its attributes
// number it.
type Compression int8

// The codecs that message format v2 knows.
const (
	None   Compression = 0
	Gzip   Compression = 1
	Snappy Compression = 2
	LZ4    Compression = 3
	Zstd   Compression = 4
)

var compressionNames = [...]string{None: "none", Gzip: "gzip", Snappy: "snappy", LZ4: "lz4", Zstd: "zstd"}

// String returns the codec's name as Kafka writes it.
func (c Compression) String() string {
	if c.valid() {
		return compressionNames[c]
	}
	return fmt.Sprintf("codec %d", int8(c))
}

func (c Compression) valid() bool { return c >= None && int(c) < len(compressionNames) }

// Compressor compresses batches for Appender.Finish. It keeps its encoder and
// its memory from batch to batch; one goroutine uses it at a time. A nil
// Compressor leaves batches as they are.
type Compressor struct {
	compression Compression
	out         []byte
	block       []byte // of snappy
	gzip        *gzip.Writer
	lz4         *lz4.Writer
	zstd        *zstd.Encoder
}

const (
	// zstdWindow is the window of zstd, in bytes: about as much as a batch has.
	// A reader may need as much memory.
	zstdWindow = 1 << 20
	// snappyBlock is the size of a block of snappy before compression, as Java
	// clients have it.
	snappyBlock = 32 << 10
	// encoderMemory is more than the encoder of any codec holds, in bytes. A
	// test measures it.
	encoderMemory = 4 << 20
)

// NewCompressor returns a Compressor, or nil for None.
func NewCompressor(c Compression) *Compressor {
	if c == None || !c.valid() {
		return nil
	}
	return &Compressor{compression: c}
}

// CompressorMemory returns the bytes that a Compressor takes at most, for
// batches of up to largest bytes: its encoder, and a batch.
func CompressorMemory(c Compression, largest int) int {
	if c == None {
		return 0
	}
	return encoderMemory + largest
}

// shrink replaces the records by their compressed form if that is shorter, and
// tells how they are compressed now. It writes over records. Ciphertext does
// not shrink, and then the reader is spared the codec.
func (c *Compressor) shrink(records []byte) ([]byte, Compression, error) {
	if c == nil {
		return records, None, nil
	}
	c.out = c.out[:0]
	if err := c.encode(records); err != nil {
		return nil, None, fmt.Errorf("%w: %s: %w", ErrCompression, c.compression, err)
	}
	if len(c.out) >= len(records) {
		return records, None, nil
	}
	return records[:copy(records, c.out)], c.compression, nil
}

// encode appends the compressed form of records to c.out.
func (c *Compressor) encode(records []byte) error {
	switch c.compression {
	case Gzip:
		if c.gzip == nil {
			c.gzip = gzip.NewWriter(c)
		}
		c.gzip.Reset(c)
		return writeAll(c.gzip, records)
	case Snappy:
		c.encodeSnappy(records)
		return nil
	case LZ4:
		if c.lz4 == nil {
			c.lz4 = lz4.NewWriter(c)
			// Blocks of 64 KiB, as Java clients have them. The library's 4 MiB
			// would take three times 4 MiB here and at each reader, for a code
			// that does not reach back beyond 64 KiB.
			if err := c.lz4.Apply(lz4.BlockSizeOption(lz4.Block64Kb)); err != nil {
				return err
			}
		}
		c.lz4.Reset(c)
		return writeAll(c.lz4, records)
	case Zstd:
		if c.zstd == nil {
			var err error
			if c.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow),
				zstd.WithLowerEncoderMem(true)); err != nil {
				return err
			}
		}
		c.out = c.zstd.EncodeAll(records, c.out)
		return nil
	default:
		return errors.New("unknown codec")
	}
}

// writeAll writes all that w gets, and its end.
func writeAll(w io.WriteCloser, b []byte) error {
	_, err := w.Write(b)
	if closing := w.Close(); err == nil {
		err = closing
	}
	return err
}

// encodeSnappy writes snappy as Java clients frame it.
func (c *Compressor) encodeSnappy(records []byte) {
	c.out = append(append(c.out, xerial...), 0, 0, 0, 1, 0, 0, 0, 1) // the versions
	for part := range slices.Chunk(records, snappyBlock) {
		c.block = snappy.Encode(c.block[:cap(c.block)], part)
		c.out = binary.BigEndian.AppendUint32(c.out, uint32(len(c.block)))
		c.out = append(c.out, c.block...)
	}
}

// Write implements io.Writer for the codec.
func (c *Compressor) Write(b []byte) (int, error) {
	c.out = append(c.out, b...)
	return len(b), nil
}
