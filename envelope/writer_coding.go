package envelope

import (
	"io"

	"github.com/streamcrypt/streamcrypt/codec/coding"
)

// coder codes the payload of a Writer before it is cut into chunks. A payload
// of one chunk is left whole, for the single form, in which it may turn out not
// to be worth compressing.
type coder struct {
	o     *coding.Options
	out   func(p []byte) error // takes the coded payload
	limit int                  // of a chunk
	plain []byte               // until there is more than one chunk of it
	zstd  io.WriteCloser       // nil without compression, and before that
	begun bool
	n     int64 // coded bytes
}

// Write takes payload.
func (c *coder) Write(p []byte) (int, error) {
	if !c.begun {
		if len(c.plain)+len(p) <= c.limit {
			c.plain = append(c.plain, p...)
			return len(p), nil
		}
		if err := c.begin(); err != nil {
			return 0, err
		}
	}
	return c.compress(p)
}

// begin codes what was kept, since more is coming.
func (c *coder) begin() (err error) {
	c.begun = true
	if c.o.Level > 0 {
		if c.zstd, err = c.o.NewWriter(codedOutput{c}); err != nil {
			return err
		}
	}
	_, err = c.compress(c.plain)
	clear(c.plain)
	c.plain = nil
	return err
}

func (c *coder) compress(p []byte) (int, error) {
	if c.zstd != nil {
		return c.zstd.Write(p)
	}
	return codedOutput{c}.Write(p)
}

// finish ends the frame and pads. It is not for a payload that was kept.
func (c *coder) finish() error {
	if c.zstd != nil {
		err := c.zstd.Close()
		if c.zstd = nil; err != nil {
			return err
		}
	}
	return c.o.WritePadding(codedOutput{c}, c.n)
}

// release gives the memory of the compressor back.
func (c *coder) release() {
	clear(c.plain)
	if c.zstd != nil {
		_ = c.zstd.Close() // what it still writes is thrown away: out refuses
		c.zstd = nil
	}
}

// codedOutput counts and hands on the coded payload.
type codedOutput struct{ c *coder }

func (o codedOutput) Write(p []byte) (int, error) {
	o.c.n += int64(len(p))
	if err := o.c.out(p); err != nil {
		return 0, err
	}
	return len(p), nil
}
