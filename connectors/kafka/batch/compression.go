package batch

import (
	"fmt"

	"github.com/segmentio/kafka-go/compress"
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

func (c Compression) codec() compress.Codec { return compress.Compression(c).Codec() }

// Compressor compresses batches for Appender.Finish. It keeps its memory from
// batch to batch; one goroutine uses it at a time. A nil Compressor leaves
// batches as they are.
type Compressor struct {
	compression Compression
	out         []byte
}

// NewCompressor returns a Compressor, or nil for None.
func NewCompressor(c Compression) *Compressor {
	if c == None || !c.valid() {
		return nil
	}
	return &Compressor{compression: c}
}

// shrink replaces the records by their compressed form if that is shorter, and
// says what they are now. It writes over records. Ciphertext does not shrink,
// and then the reader is spared the codec.
func (c *Compressor) shrink(records []byte) ([]byte, Compression, error) {
	if c == nil {
		return records, None, nil
	}
	c.out = c.out[:0]
	w := c.compression.codec().NewWriter(c)
	_, err := w.Write(records)
	if closing := w.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, None, fmt.Errorf("%w: %s: %w", ErrCompression, c.compression, err)
	}
	if len(c.out) >= len(records) {
		return records, None, nil
	}
	return records[:copy(records, c.out)], c.compression, nil
}

// Write implements io.Writer for the codec.
func (c *Compressor) Write(b []byte) (int, error) {
	c.out = append(c.out, b...)
	return len(b), nil
}
