package cms

const version = "streamcrypt/1"

// Binding is what an envelope is tied to without being on the wire. A nil Subject, Key or header value is
// null, which is not the empty string.
type Binding struct {
	Subject []byte
	Key     []byte
	Bound   []Bound // in bytewise order of Name, each name once
	Kind    Kind
}

// Bound is a header name that is tied to the envelope, with the values that the message has for it.
type Bound struct {
	Name   string
	Values [][]byte
}

// AAD builds the associated data of one context's messages (docs/envelope.md, section 5). It reuses its
// memory and is not safe for concurrent use.
type AAD struct {
	buf    []byte // Enc_structure
	fixed  int    // its size up to external_aad
	prefix []byte // external_aad up to the subject
}

// NewAAD returns an AAD for a context, which may be empty.
func NewAAD(context []byte) *AAD {
	prefix := appendHead(nil, majorArray, 8)
	prefix = append(appendHead(prefix, majorText, uint64(len(version))), version...)
	return &AAD{prefix: appendBytes(prefix, context)}
}

// SetHeader says which envelope the next calls of Bytes are about.
func (a *AAD) SetHeader(byReference bool, protected []byte) {
	b := append(a.buf[:0], majorArray|3)
	if byReference {
		b = append(b, "\x68Encrypt0"...)
	} else {
		b = append(b, "\x67Encrypt"...)
	}
	a.buf = appendBytes(b, protected)
	a.fixed = len(a.buf)
}

// Bytes returns the Enc_structure for one chunk. It is valid until the next call.
func (a *AAD) Bytes(b *Binding, index uint32, final bool) []byte {
	size := len(a.prefix) + bytesOrNullSize(b.Subject) + bytesOrNullSize(b.Key) + boundSize(b.Bound) +
		1 + headSize(uint64(index)) + 1
	buf := appendHead(a.buf[:a.fixed], majorBytes, uint64(size))
	buf = append(buf, a.prefix...)
	buf = appendBytesOrNull(buf, b.Subject)
	buf = appendBytesOrNull(buf, b.Key)
	buf = appendBound(buf, b.Bound)
	buf = append(buf, byte(b.Kind))
	buf = appendHead(buf, majorUint, uint64(index))
	if final {
		buf = append(buf, cborTrue)
	} else {
		buf = append(buf, cborFalse)
	}
	a.buf = buf
	return buf
}

func boundSize(bound []Bound) int {
	size := headSize(uint64(len(bound)))
	for i := range bound {
		size += 1 + bytesSize(len(bound[i].Name)) + headSize(uint64(len(bound[i].Values)))
		for _, v := range bound[i].Values {
			size += bytesOrNullSize(v)
		}
	}
	return size
}

func appendBound(dst []byte, bound []Bound) []byte {
	dst = appendHead(dst, majorArray, uint64(len(bound)))
	for i := range bound {
		dst = append(dst, majorArray|2)
		dst = appendHead(dst, majorBytes, uint64(len(bound[i].Name)))
		dst = append(dst, bound[i].Name...)
		dst = appendHead(dst, majorArray, uint64(len(bound[i].Values)))
		for _, v := range bound[i].Values {
			dst = appendBytesOrNull(dst, v)
		}
	}
	return dst
}
