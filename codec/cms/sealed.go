package cms

import (
	"bytes"
	"encoding/binary"
)

// SealedHead is how many bytes of an input IsSealed needs to see.
const SealedHead = 32

// positionLabel is LabelPosition as CBOR: a negative integer in four bytes.
var positionLabel = binary.BigEndian.AppendUint32([]byte{majorNint | 26}, uint32(-1-LabelPosition))

// IsSealed tells whether an input begins like an envelope of this format: with
// the tag, and a protected header of an algorithm and a position. It is cheap,
// and looks at the first SealedHead bytes only; Parse says whether it is one.
func IsSealed(head []byte) bool {
	body, _, err := splitTag(head)
	if err != nil || len(body) < 2 || body[0] != majorArray|3 && body[0] != majorArray|4 {
		return false
	}
	major, info, _, header, err := scanHead(body[1:])
	if err != nil || major != majorBytes || info == 31 {
		return false
	}
	if len(header) < 2 || header[0]&0xe0 != majorMap || header[1] != 1 { // 1: alg
		return false
	}
	_, _, _, rest, err := scanHead(header[2:])
	return err == nil && bytes.HasPrefix(rest, positionLabel)
}
