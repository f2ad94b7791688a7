package cms

import "encoding/binary"

// Signature is the signature of a sealer (docs/envelope.md, section 17).
type Signature struct {
	KID         [8]byte
	From, Until uint32 // unix seconds
	Bytes       [64]byte
}

// AppendSignature appends the SignatureSize bytes of s to dst.
func AppendSignature(dst []byte, s *Signature) []byte {
	dst = append(dst, s.KID[:]...)
	dst = binary.BigEndian.AppendUint32(dst, s.From)
	dst = binary.BigEndian.AppendUint32(dst, s.Until)
	return append(dst, s.Bytes[:]...)
}

// ReadSignature reads a Signature of SignatureSize bytes.
func ReadSignature(b []byte) (s Signature) {
	_ = b[SignatureSize-1]
	s.KID = [8]byte(b)
	s.From, s.Until = binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])
	s.Bytes = [64]byte(b[16:])
	return s
}

// AppendSealerInput appends the message that the signature of a sealer is over.
func AppendSealerInput(dst, commitment []byte, keyContext string, from, until uint32) []byte {
	dst = appendText(append(dst, majorArray|5), version+" sealer")
	dst = appendBytes(dst, commitment)
	dst = append(appendHead(dst, majorBytes, uint64(len(keyContext))), keyContext...)
	dst = appendHead(dst, majorUint, uint64(from))
	return appendHead(dst, majorUint, uint64(until))
}

// AppendArchiveInput appends the message that the signature of an archive's end
// is over (docs/envelope.md, section 9).
func AppendArchiveInput(dst []byte, context string, end []byte) []byte {
	dst = appendText(append(dst, majorArray|3), version+" archive")
	dst = append(appendHead(dst, majorBytes, uint64(len(context))), context...)
	return appendBytes(dst, end)
}

func appendText(dst []byte, text string) []byte {
	return append(appendHead(dst, majorText, uint64(len(text))), text...)
}
