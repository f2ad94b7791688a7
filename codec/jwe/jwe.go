package jwe

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/keys"
)

// The algorithms (RFC 7518, RFC 8037, and RSA-OAEP-512 of the IANA registry).
const (
	algA256KW     = "A256KW"
	algRSAOAEP256 = "RSA-OAEP-256"
	algRSAOAEP512 = "RSA-OAEP-512"
	algECDHES     = "ECDH-ES+A256KW"
	encA256GCM    = "A256GCM"
)

// algs are the algorithms that are taken, with the numbers of package keys.
var algs = map[string]int64{
	algA256KW:     keys.AlgA256KW,
	algRSAOAEP256: keys.AlgRSAOAEP256,
	algRSAOAEP512: keys.AlgRSAOAEP512,
	algECDHES:     keys.AlgECDHESA256KW,
}

// soleAlgs are those that stand for the whole message, since they have no
// wrapped content key. A message with one of them is refused, even if
// it has other recipients.
var soleAlgs = map[string]bool{"dir": true, "none": true, "ECDH-ES": true}

// Format is JWE.
var Format = exchange.Format{
	Name:   "jwe",
	Title:  "JWE (RFC 7516)",
	Codec:  codec{},
	Derive: deriveKEK,
	Lacks: "its place in the source, the time of sealing, headers, subject, context, a commitment to the key, " +
		"a signature and tombstones",
	Grows: "a payload grows by a third",
}

// codec implements exchange.Codec.
type codec struct{}

// Recognizes implements exchange.Codec.
func (codec) Recognizes(b []byte) bool { return isCompact(b) || isJSON(b) }

// deriveKEK derives the wrapping key of ECDH-ES+A256KW.
func deriveKEK(a *keys.Agreement) ([]byte, error) {
	return concatKDF(a.Secret, algECDHES, a.Party, keys.DEKSize), nil
}

// concatKDF is the Concat KDF with SHA-256 (RFC 7518 section 4.6.2) for keys of
// up to 32 bytes, which one round gives. An empty party stands for an empty
// PartyUInfo and PartyVInfo.
func concatKDF(secret []byte, alg string, party []byte, size int) []byte {
	if len(party) == 0 {
		party = make([]byte, 8)
	}
	in := append(make([]byte, 0, 128+len(party)), 0, 0, 0, 1)
	in = append(in, secret...)
	in = appendInfo(in, []byte(alg))
	in = append(in, party...)
	in = binary.BigEndian.AppendUint32(in, uint32(8*size))
	defer clear(in)
	sum := sha256.Sum256(in)
	defer clear(sum[size:])
	return sum[:size:size]
}

// appendInfo appends a part of OtherInfo: its length, and the part itself.
func appendInfo(dst, part []byte) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(part))), part...)
}
