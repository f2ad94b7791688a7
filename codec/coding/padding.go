package coding

import (
	"bytes"
	"fmt"
	"io"
	"math/bits"
)

// Padding says to which lengths payloads are padded. The zero Padding pads
// nothing.
type Padding struct {
	padme bool
	block int64
}

// PadBlocks pads to multiples of size bytes, 2 to 1 MiB.
func PadBlocks(size int64) (Padding, error) {
	if size < 2 || size > 1<<20 {
		return Padding{}, fmt.Errorf("padding to multiples of %d bytes: 2 to %d are possible", size, 1<<20)
	}
	return Padding{block: size}, nil
}

// PadPADME pads by at most 12 percent: lengths then tell about log log of their
// size (Nikitin et al., PURBs, section 4).
func PadPADME() Padding { return Padding{padme: true} }

// IsSet tells whether anything is padded.
func (p Padding) IsSet() bool { return p != Padding{} }

// PaddedSize returns how long n bytes become, the mark included.
func (p Padding) PaddedSize(n int64) int64 {
	n++ // the mark
	switch {
	case p.padme && n >= 2:
		e := bits.Len64(uint64(n)) - 1
		last := int64(1)<<(e-bits.Len64(uint64(e))) - 1
		return (n + last) &^ last
	case p.block > 0:
		return (n + p.block - 1) / p.block * p.block
	case !p.IsSet():
		return n - 1
	}
	return n
}

// appendPadding appends the padding behind n bytes, the last of which stand in
// dst.
func (p Padding) appendPadding(dst []byte, n int64) []byte {
	if !p.IsSet() {
		return dst
	}
	zeros := p.PaddedSize(n) - n - 1
	dst = append(dst, 0x80)
	return append(dst, make([]byte, zeros)...)
}

// writePadding writes the padding behind n bytes to w.
func (p Padding) writePadding(w io.Writer, n int64) error {
	if !p.IsSet() {
		return nil
	}
	mark := append(make([]byte, 0, 4096), 0x80)
	for left := p.PaddedSize(n) - n; left > 0; {
		b := mark[:min(left, int64(cap(mark)))]
		if _, err := w.Write(b); err != nil {
			return err
		}
		left -= int64(len(b))
		mark[0] = 0
	}
	return nil
}

// StripPadding returns b without its padding.
func StripPadding(b []byte) ([]byte, error) {
	b = bytes.TrimRight(b, "\x00")
	if len(b) == 0 || b[len(b)-1] != 0x80 {
		return nil, errPadding
	}
	return b[:len(b)-1], nil
}
