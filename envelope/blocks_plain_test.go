package envelope_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/streamcrypt/streamcrypt/envelope"
)

// divide returns the blocks of a payload.
func divide(p *envelope.PlainBlocks, size int) (blocks [][]byte, err error) {
	for {
		block := make([]byte, size)
		n, number, final, err := p.NextBlock(block)
		if err == io.EOF {
			return blocks, nil
		}
		if err != nil {
			return blocks, err
		}
		if number != int64(len(blocks)) {
			return blocks, errors.New("blocks out of order")
		}
		if blocks = append(blocks, block[:n]); !final && n != size {
			return blocks, errors.New("a block that is not full is not the final one")
		}
	}
}

func TestPlainBlocks(t *testing.T) {
	s := newRig(t, rigOptions{}).sealer(t, 4096)
	size := s.BlockSize()
	for _, n := range []int{0, 1, size - 1, size, size + 1, 2 * size, 2*size + 1, 3*size - 1} {
		for name, in := range map[string]io.Reader{
			"at once": bytes.NewReader(payload(n)), "in halves": iotest.HalfReader(bytes.NewReader(payload(n))),
		} {
			p := s.NewPlainBlocks(in)
			several, err := p.AreSeveral()
			if err != nil || several != (n > size) {
				t.Fatalf("%d bytes %s: several %v, %v", n, name, several, err)
			}
			if !several {
				if got, err := io.ReadAll(p.Rest()); err != nil || !bytes.Equal(got, payload(n)) {
					t.Errorf("%d bytes %s: the rest has %d, %v", n, name, len(got), err)
				}
				continue
			}
			blocks, err := divide(p, size)
			if err != nil || !bytes.Equal(bytes.Join(blocks, nil), payload(n)) || len(blocks) != (n+size-1)/size {
				t.Errorf("%d bytes %s: %d blocks, %v", n, name, len(blocks), err)
			}
		}
	}
}

// TestPlainBlocksOfASourceThatBreaksOff: a source that breaks off has no final
// block, whatever it calls its end.
func TestPlainBlocksOfASourceThatBreaksOff(t *testing.T) {
	s := newRig(t, rigOptions{}).sealer(t, 4096)
	for _, n := range []int{10, s.BlockSize(), s.BlockSize() + 1, 2 * s.BlockSize(), 2*s.BlockSize() + 9} {
		p := s.NewPlainBlocks(io.MultiReader(bytes.NewReader(payload(n)), brokenReader{io.ErrUnexpectedEOF}))
		_, err := p.AreSeveral()
		if err == nil {
			_, err = divide(p, s.BlockSize())
		}
		if err != io.ErrUnexpectedEOF {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}
