package cmsder

import (
	"bytes"
	"fmt"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
)

// cmsTypes begin every object identifier of a content type of CMS: tag, length
// and the arcs 1.2.840.113549.1.7 and 1.2.840.113549.1.9.16.1.
var cmsTypes = [][]byte{
	{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07},
	{0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01},
}

const (
	tagSequence = 0x30
	// indefinite is the length octet of BER for a length that is not given.
	indefinite = 0x80
)

// LooksLikeMessage tells whether b begins like a message of CMS in DER or BER,
// of any content, or like one in PEM. Such bytes are a message or damaged, and
// not an envelope of another format.
func LooksLikeMessage(b []byte) bool {
	if isPEM(b) {
		return true
	}
	if len(b) < 2 || b[0] != tagSequence {
		return false
	}
	at := 2
	if b[1] > indefinite {
		at += int(b[1] - indefinite)
	}
	for _, beginning := range cmsTypes {
		if at < len(b) && bytes.HasPrefix(b[at:], beginning) {
			return true
		}
	}
	return false
}

// checkOuter checks the length of the whole against the bytes that are there,
// so that a message that was cut is not called malformed.
func checkOuter(b []byte) error {
	if !LooksLikeMessage(b) || b[0] != tagSequence {
		return exchange.ErrNotEnvelope
	}
	size, head := int64(b[1]), 2
	switch n := int(b[1]) - indefinite; {
	case n == 0:
		return fmt.Errorf("%w: indefinite length, which is BER and not DER", exchange.ErrMalformed)
	case n > 4:
		return fmt.Errorf("%w: length of %d bytes", exchange.ErrTooLarge, n)
	case n > 0:
		size, head = 0, 2+n
		for _, octet := range b[2:head] {
			size = size<<8 | int64(octet)
		}
	}
	switch rest := int64(len(b) - head); {
	case size > maxContent:
		return fmt.Errorf("%w: %d bytes; at most %d are read", exchange.ErrTooLarge, size, maxContent)
	case rest < size:
		return fmt.Errorf("%w: %d of %d bytes", exchange.ErrTruncated, rest, size)
	case rest > size:
		return fmt.Errorf("%w: bytes after the message", exchange.ErrMalformed)
	}
	return nil
}
