package coding

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Options say how payloads are coded. The zero Options code nothing.
type Options struct {
	// Level is how hard payloads are compressed, as the levels of the zstd
	// command: 1 to 19; 0: they are not.
	Level int
	// Dictionary, if not nil, is compressed with. It needs a Level.
	Dictionary *Dictionary
	Padding    Padding
}

// Check returns an error for options that cannot be.
func (o *Options) Check() error {
	switch {
	case o.Level < 0 || o.Level > 19:
		return fmt.Errorf("compression level %d: 1 to 19 are possible", o.Level)
	case o.Dictionary != nil && o.Level == 0:
		return fmt.Errorf("a dictionary without compression")
	case o.Dictionary != nil:
		return o.Dictionary.CheckSealing()
	}
	return nil
}

// IsSet tells whether anything is coded.
func (o *Options) IsSet() bool { return o.Level > 0 || o.Padding.IsSet() }

func (o *Options) encoderOptions() []zstd.EOption {
	options := []zstd.EOption{
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(o.Level)), zstd.WithWindowSize(encoderWindow),
		zstd.WithZeroFrames(true),
	}
	if o.Dictionary != nil {
		options = append(options, zstd.WithEncoderDict(o.Dictionary.bytes))
	}
	return options
}

// encoderWindow keeps the memory of an encoder small: a sealer has one for each
// worker. A tag authenticates more than a checksum would.
const encoderWindow = 1 << 20

// Encoder codes payloads in memory. It reuses its memory and is not safe for
// concurrent use.
type Encoder struct {
	o    Options
	zstd *zstd.Encoder // nil without compression
	buf  []byte
}

// NewEncoder validates o.
func NewEncoder(o Options) (*Encoder, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	e := &Encoder{o: o}
	if o.Level == 0 {
		return e, nil
	}
	var err error
	e.zstd, err = zstd.NewWriter(nil, o.encoderOptions()...)
	return e, err
}

// Code returns the coded payload, which is valid until the next call, and
// whether it is compressed. always has it compressed, else only if that makes
// it shorter.
func (e *Encoder) Code(payload []byte, always bool) (coded []byte, compressed bool) {
	coded = payload
	if e.zstd != nil && len(payload) > 0 {
		e.buf = e.zstd.EncodeAll(payload, e.buf[:0])
		frame := stripDictionaryID(e.buf)
		if compressed = always || len(frame) < len(payload); compressed {
			coded = frame
		}
	}
	if !e.o.Padding.IsSet() {
		return coded, compressed
	}
	if !compressed {
		e.buf = append(e.buf[:0], payload...)
		coded = e.buf
	}
	return e.o.Padding.appendPadding(coded, int64(len(coded))), compressed
}

// MaxSize is the most bytes that a payload of n bytes is coded to.
func (o *Options) MaxSize(n int) int {
	if o.Level > 0 {
		n += n>>8 + 64 // a frame's head, and those of its blocks
	}
	return int(o.Padding.PaddedSize(int64(n)))
}

// stripDictionaryID takes the id of the dictionary out of a frame: the tag of
// an envelope tells more exactly. The result is in the memory of frame.
func stripDictionaryID(frame []byte) []byte {
	h, ok := parseFrameHead(frame)
	if !ok || h.idSize == 0 {
		return frame
	}
	descriptor := frame[4] &^ 3
	copy(frame[h.idSize+5:], frame[5:h.idAt])
	copy(frame[h.idSize:], frameMagic)
	frame[h.idSize+4] = descriptor
	return frame[h.idSize:]
}

// NewWriter returns a writer that compresses to w. It must be closed; then it
// returns the memory that it needs.
func (o *Options) NewWriter(w io.Writer) (io.WriteCloser, error) {
	return zstd.NewWriter(w, o.encoderOptions()...)
}

// WritePadding writes the padding behind a coded payload of n bytes.
func (o *Options) WritePadding(w io.Writer, n int64) error { return o.Padding.writePadding(w, n) }
