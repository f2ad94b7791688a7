package envelope

import (
	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
)

// AppendTag appends the authentication tag of an envelope to dst: 16 bytes, of
// a chunked envelope those of its last chunk. Rewrapping does not change them,
// so they stand for the sealed message in the digest of an archive. Nothing is
// verified.
func AppendTag(dst, e []byte) ([]byte, error) {
	var parsed cms.Envelope
	if err := cms.Parse(e, &parsed); err != nil {
		return dst, refuse(err)
	}
	last := parsed.Ciphertext
	for rest := parsed.Segments; len(rest) > 0; {
		last, rest = rest.Next()
	}
	return append(dst, last[len(last)-chunker.TagSize:]...), nil // Parse refuses a shorter one
}
