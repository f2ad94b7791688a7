package cmsder

import "slices"

// Template is everything that messages under one data key have in common. It is
// safe for concurrent use.
type Template struct {
	recipients []byte // version and recipientInfos
}

const (
	tagOctets       = 0x04
	tagContent      = 0xa0 // [0] around AuthEnvelopedData
	tagCiphertext   = 0x80 // [0] in place of OCTET STRING
	contentInfoType = "\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17"
	version0DER     = "\x02\x01\x00"
	// dataCipher is the type of the content and its cipher up to the nonce.
	dataCipher = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01" +
		"\x30\x1e\x06\x09\x60\x86\x48\x01\x65\x03\x04\x01\x2e\x30\x11\x04\x0c"
	icvLen = "\x02\x01\x10"
	// maxHeadSize is the size in bytes of the largest head.
	maxHeadSize = 6
)

// NewTemplate lays out messages for 1 to MaxRecipients recipients. Their
// identifiers must differ.
func NewTemplate(recipients []Recipient) (*Template, error) {
	if err := checkRecipients(recipients); err != nil {
		return nil, err
	}
	set, err := encodeRecipients(recipients)
	if err != nil {
		return nil, err
	}
	return &Template{recipients: append([]byte(version0DER), set...)}, nil
}

// layout has the sizes of the parts of a message, without their heads.
type layout struct{ outer, content, body, encrypted int }

// layOut computes the sizes for n bytes of ciphertext.
func (t *Template) layOut(n int) layout {
	var l layout
	l.encrypted = len(dataCipher) + NonceSize + len(icvLen) + headSize(n) + n
	l.body = len(t.recipients) + headSize(l.encrypted) + l.encrypted + headSize(TagSize) + TagSize
	l.content = headSize(l.body) + l.body
	l.outer = len(contentInfoType) + headSize(l.content) + l.content
	return l
}

// MessageSize is the size of a message with n bytes of payload.
func (t *Template) MessageSize(n int) int {
	outer := t.layOut(n).outer
	return headSize(outer) + outer
}

// Append appends a message to dst. sealed is the ciphertext and the tag of
// TagSize bytes behind it; it must not overlap with the spare capacity of dst.
func (t *Template) Append(dst, nonce, sealed []byte) []byte {
	n := len(sealed) - TagSize
	l := t.layOut(n)
	dst = slices.Grow(dst, headSize(l.outer)+l.outer)
	dst = appendHead(dst, tagSequence, l.outer)
	dst = append(dst, contentInfoType...)
	dst = appendHead(dst, tagContent, l.content)
	dst = appendHead(dst, tagSequence, l.body)
	dst = append(dst, t.recipients...)
	dst = appendHead(dst, tagSequence, l.encrypted)
	dst = append(dst, dataCipher...)
	dst = append(dst, nonce...)
	dst = append(dst, icvLen...)
	dst = appendHead(dst, tagCiphertext, n)
	dst = append(dst, sealed[:n]...)
	dst = appendHead(dst, tagOctets, TagSize)
	return append(dst, sealed[n:]...)
}

// headSize is the size of tag and length of a part of n bytes.
func headSize(n int) int {
	size := 2
	if n >= indefinite {
		for ; n > 0; n >>= 8 {
			size++
		}
	}
	return size
}

// appendHead appends the tag and the length of a part of n bytes.
func appendHead(dst []byte, tag byte, n int) []byte {
	if n < indefinite {
		return append(dst, tag, byte(n))
	}
	octets := headSize(n) - 2
	dst = append(dst, tag, indefinite|byte(octets))
	for i := octets - 1; i >= 0; i-- {
		dst = append(dst, byte(n>>(8*i)))
	}
	return dst
}
