package jwe

import (
	"bytes"
	"encoding/base64"
	"fmt"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/keys"
)

// memory is kept by Parse in a message.
type memory struct {
	bytes []byte // decoded parts of the message
	// Of the last message that was read in full: everything before its IV, and
	// the recipients and associated data that stand there.
	front      []byte
	recipients []keys.Wrapped
	aad        []byte
}

// useMemory returns the memory of m.
func useMemory(m *exchange.Message) *memory {
	kept, ok := m.Memory.(*memory)
	if !ok {
		kept = &memory{}
		m.Memory = kept
	}
	return kept
}

// keepFront keeps the front of a message that has been read.
func (k *memory) keepFront(front []byte, recipients []keys.Wrapped, aad []byte) {
	k.front = append(k.front[:0], front...)
	k.recipients, k.aad = recipients, append(k.aad[:0], aad...)
}

// Parse implements exchange.Codec.
func (codec) Parse(m *exchange.Message, b []byte) error {
	switch {
	case isCompact(b):
		return parseCompact(m, b)
	case startsObject(b):
		return parseJSON(m, b)
	}
	return exchange.ErrNotEnvelope
}

// maxEncodedHeader is how long a header is at most in base64url.
const maxEncodedHeader = (maxHeader*4 + 2) / 3

// isCompact tells whether b begins like the compact form: with the base64url of
// something that begins like a JSON object, and a dot.
func isCompact(b []byte) bool {
	if len(b) < 4 || b[0] != 'e' {
		return false
	}
	var head [2]byte
	if _, err := base64.RawURLEncoding.Decode(head[:], b[:3]); err != nil || head[0] != '{' ||
		bytes.IndexByte([]byte("\" \t\r\n"), head[1]) < 0 {
		return false
	}
	end := bytes.IndexByte(b[:min(len(b), maxEncodedHeader+1)], '.')
	if end < 0 {
		return false
	}
	for _, c := range b[:end] {
		if !isEncoding[c] {
			return false
		}
	}
	return true
}

// isEncoding has the characters of base64url.
var isEncoding = func() (is [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		is[c] = true
	}
	return is
}()

// parseCompact reads the compact form (RFC 7516 section 7.1).
func parseCompact(m *exchange.Message, b []byte) error {
	var parts [5][]byte
	rest := b
	for i := range parts[:4] {
		at := bytes.IndexByte(rest, '.')
		if at < 0 {
			return malformed(fmt.Sprintf("compact form of %d parts, not 5", i+1))
		}
		parts[i], rest = rest[:at], rest[at+1:]
	}
	parts[4] = rest
	front := b[:len(parts[0])+len(parts[1])+2]
	kept := useMemory(m)
	if !bytes.Equal(front, kept.front) {
		recipients, err := readCompactFront(parts[0], parts[1])
		if err != nil {
			return err
		}
		kept.keepFront(front, recipients, parts[0])
	}
	m.Recipients, m.AAD = kept.recipients, kept.aad
	return parseSealed(m, kept, parts[2], parts[3], parts[4])
}

// readCompactFront returns the one recipient of a compact form.
func readCompactFront(protected, wrapped []byte) ([]keys.Wrapped, error) {
	text, err := appendDecoded(nil, protected, "protected")
	if err != nil {
		return nil, err
	}
	o, err := readInner(text)
	if err != nil {
		return nil, err
	}
	h, err := readHeader(o)
	if err != nil {
		return nil, err
	}
	key, err := appendDecoded(nil, wrapped, "encrypted_key")
	if err != nil {
		return nil, err
	}
	if algs[h.alg] == 0 {
		return nil, unsupported("alg %.*q", shownText, h.alg)
	}
	return readAll([]header{h}, [][]byte{key})
}

// readAll returns the recipients of the kinds that are taken, of which there
// must be one.
func readAll(headers []header, wrapped [][]byte) (recipients []keys.Wrapped, err error) {
	seen := map[string]bool{}
	for i := range headers {
		h := &headers[i]
		switch {
		case h.hasKID && seen[h.kid]:
			return nil, malformed("two recipients of one kid")
		case soleAlgs[h.alg]:
			return nil, unsupported("alg %.*q", shownText, h.alg)
		}
		seen[h.kid] = seen[h.kid] || h.hasKID
		if recipients, err = readRecipient(recipients, h, wrapped[i]); err != nil {
			return nil, err
		}
	}
	if len(recipients) == 0 {
		return nil, unsupported("alg %.*q, or its curve", shownText, headers[0].alg)
	}
	return recipients, nil
}

// parseSealed reads the parts that each message has of its own.
func parseSealed(m *exchange.Message, kept *memory, nonce, ciphertext, tag []byte) (err error) {
	buf := kept.bytes[:0]
	if most := encoding.DecodedLen(len(nonce)) + encoding.DecodedLen(len(ciphertext)) +
		encoding.DecodedLen(len(tag)); cap(buf) < most {
		buf = make([]byte, 0, most)
	}
	if buf, err = appendDecoded(buf, nonce, "iv"); err != nil {
		return err
	}
	if len(buf) != exchange.NonceSize {
		return malformed("the iv has a wrong size")
	}
	if buf, err = appendDecoded(buf, ciphertext, "ciphertext"); err != nil {
		return err
	}
	end := len(buf)
	if buf, err = appendDecoded(buf, tag, "tag"); err != nil {
		return err
	}
	if len(buf)-end != exchange.TagSize {
		return malformed("the tag has a wrong size")
	}
	kept.bytes = buf
	m.Nonce, m.Sealed = buf[:exchange.NonceSize], buf[exchange.NonceSize:]
	return nil
}
