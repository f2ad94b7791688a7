package cmsder

import "bytes"

// splitAlike takes a message apart that has the recipients of t, and fills all
// of m but the recipients. It returns false for any other message, also for one
// that is damaged: Parse tells them apart.
func (t *Template) splitAlike(b []byte, m *Message) bool {
	in := cutter{rest: b, ok: true}
	in.cutHead(tagSequence, 0)
	in.cutLiteral([]byte(contentInfoType))
	in.cutHead(tagContent, 0)
	in.cutHead(tagSequence, 0)
	in.cutLiteral(t.recipients)
	in.cutHead(tagSequence, headSize(TagSize)+TagSize)
	in.cutLiteral([]byte(dataCipher))
	m.Nonce = in.cut(NonceSize)
	in.cutLiteral([]byte(icvLen))
	m.Ciphertext = in.cut(in.cutHead(tagCiphertext, headSize(TagSize)+TagSize))
	in.cutHead(tagOctets, 0)
	m.Tag = in.cut(TagSize)
	return in.ok && len(in.rest) == 0
}

// cutter takes parts from the front of rest. Once a part is not there, ok is
// false and nothing more is taken.
type cutter struct {
	rest []byte
	ok   bool
}

func (c *cutter) cut(n int) []byte {
	if c.ok = c.ok && n <= len(c.rest); !c.ok {
		return nil
	}
	part := c.rest[:n:n]
	c.rest = c.rest[n:]
	return part
}

func (c *cutter) cutLiteral(want []byte) {
	c.ok = bytes.Equal(c.cut(len(want)), want) && c.ok
}

// cutHead takes the head of a part that ends follow bytes before the end, and
// returns the size of the part. There is one size that its own encoding leaves
// room for, or none.
func (c *cutter) cutHead(tag byte, follow int) int {
	for size := 2; c.ok && size <= maxHeadSize; size++ {
		n := len(c.rest) - size - follow
		if n < 0 || headSize(n) != size {
			continue
		}
		var head [maxHeadSize]byte
		c.cutLiteral(appendHead(head[:0], tag, n))
		return n
	}
	c.ok = false
	return 0
}
