package cmsder

import (
	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// wrapBits is the size in bits of the key that wraps the data key, as
// suppPubInfo has it.
const wrapBits = "\x00\x00\x01\x00"

// SharedInfo returns the DER of ECC-CMS-SharedInfo (RFC 5753, section 7.2; RFC
// 8418, section 2), which is the info of HKDF-SHA-256. The salt there is ukm,
// and the input the shared secret. Neither of the public keys is part of it.
// ukm is nil if the message has none.
func SharedInfo(ukm []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		addAlgorithm(b, oidAES256Wrap, nil)
		if len(ukm) > 0 {
			b.AddASN1(tag0.Constructed(), func(b *cryptobyte.Builder) { b.AddASN1OctetString(ukm) })
		}
		b.AddASN1(tag2.Constructed(), func(b *cryptobyte.Builder) { b.AddASN1OctetString([]byte(wrapBits)) })
	})
	return b.Bytes()
}
