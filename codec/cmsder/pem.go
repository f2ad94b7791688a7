package cmsder

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
)

// The lines around a message in PEM (RFC 7468, section 9).
const (
	pemBegin = "-----BEGIN CMS-----"
	pemEnd   = "-----END CMS-----"
	pemLine  = 64 // characters in a line that is written
)

// AppendPEM appends a message in DER to dst as PEM.
func AppendPEM(dst, message []byte) []byte {
	dst = slices.Grow(dst, PEMSize(len(message)))
	dst = append(dst, pemBegin+"\n"...)
	for line := range slices.Chunk(message, pemLine/4*3) {
		dst = append(base64.StdEncoding.AppendEncode(dst, line), '\n')
	}
	return append(dst, pemEnd+"\n"...)
}

// PEMSize is the size in PEM of a message of n bytes in DER.
func PEMSize(n int) int {
	text := base64.StdEncoding.EncodedLen(n)
	return len(pemBegin) + len(pemEnd) + 2 + text + (text+pemLine-1)/pemLine
}

// DecodePEM returns the DER of a message in PEM, appended to dst. The lines may
// have any length; there is nothing before, between or after them.
func DecodePEM(dst, text []byte) ([]byte, error) {
	rest, is := bytes.CutPrefix(text, []byte(pemBegin))
	if !is {
		return dst, exchange.ErrNotEnvelope
	}
	body, ended := bytes.CutSuffix(bytes.TrimRight(rest, "\r\n"), []byte(pemEnd))
	switch {
	case !ended && !bytes.Contains(rest, []byte(pemEnd)):
		return dst, fmt.Errorf("%w: PEM without its last line", exchange.ErrTruncated)
	case !ended:
		return dst, malformed("text after the message in PEM")
	case len(body) == 0 || !isLineEnd(body[0]) || !isLineEnd(body[len(body)-1]):
		return dst, malformed("PEM")
	}
	dst, err := base64.StdEncoding.Strict().AppendDecode(dst, body)
	if err != nil {
		return dst, malformed("PEM") // the error of the decoder adds nothing but a position
	}
	return dst, nil
}

func isLineEnd(c byte) bool { return c == '\n' || c == '\r' }

func isPEM(b []byte) bool { return bytes.HasPrefix(b, []byte(pemBegin)) }
