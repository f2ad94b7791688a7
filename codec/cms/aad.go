package cms

const version = "streamcrypt/1"

// Binding ties an envelope to its place without being on the wire. A nil
// Subject, Key or header value is null, which is not the empty string.
type Binding struct {
	Subject []byte
	Key     []byte
	Bound   []Bound // in bytewise order of Name, each name once
	Kind    Kind
}

// Bound is a message header that is tied to the envelope: its name, and all the
// values that the message has for it, in their order. A header that is absent
// has no values.
type Bound struct {
	Name   string
	Values [][]byte
}

// AAD builds the associated data of one context's messages (docs/envelope.md,
// section 5). It reuses its memory and is not safe for concurrent use.
//
// Messages of one route differ in a few bytes at the same places, so the layout
// of the last one is kept and only those bytes are written.
type AAD struct {
	buf         []byte
	prefix      []byte // external_aad up to the subject
	byReference bool
	protected   []byte // of the envelope in hand; not ours
	last        layout
	at          struct{ protected, subject, key int } // offsets in buf, under last
}

// layout decides where the bytes of a message stand in an Enc_structure.
type layout struct {
	byReference             bool
	protected, subject, key int // sizes; -1 for null
	kind                    Kind
	index                   uint32
	final                   bool
	set                     bool
}

// NewAAD returns an AAD for a context, which may be empty.
func NewAAD(context []byte) *AAD {
	prefix := appendHead(nil, majorArray, 8)
	prefix = append(appendHead(prefix, majorText, uint64(len(version))), version...)
	return &AAD{prefix: appendBytes(prefix, context)}
}

// SetHeader says which envelope the next calls of Bytes are about. It keeps
// protected until the next SetHeader.
func (a *AAD) SetHeader(byReference bool, protected []byte) {
	a.byReference, a.protected = byReference, protected
}

// Bytes returns the Enc_structure for one chunk. It is valid until the next
// call.
func (a *AAD) Bytes(b *Binding, index uint32, final bool) []byte {
	unbound := len(b.Bound) == 0
	now := layout{a.byReference, len(a.protected), size(b.Subject), size(b.Key), b.Kind, index, final, unbound}
	if now != a.last || !now.set {
		a.buildBytes(b, index, final)
		a.last = now
		return a.buf
	}
	copy(a.buf[a.at.protected:], a.protected)
	copy(a.buf[a.at.subject:], b.Subject)
	copy(a.buf[a.at.key:], b.Key)
	return a.buf
}

// size is the length of b, or -1 for null.
func size(b []byte) int {
	if b == nil {
		return -1
	}
	return len(b)
}

func (a *AAD) buildBytes(b *Binding, index uint32, final bool) {
	buf := append(a.buf[:0], majorArray|3)
	if a.byReference {
		buf = append(buf, "\x68Encrypt0"...)
	} else {
		buf = append(buf, "\x67Encrypt"...)
	}
	buf = appendBytes(buf, a.protected)
	a.at.protected = len(buf) - len(a.protected)
	size := len(a.prefix) + bytesOrNullSize(b.Subject) + bytesOrNullSize(b.Key) + boundSize(b.Bound) +
		1 + headSize(uint64(index)) + 1
	buf = appendHead(buf, majorBytes, uint64(size))
	buf = append(buf, a.prefix...)
	buf = appendBytesOrNull(buf, b.Subject)
	a.at.subject = len(buf) - len(b.Subject)
	buf = appendBytesOrNull(buf, b.Key)
	a.at.key = len(buf) - len(b.Key)
	buf = appendBound(buf, b.Bound)
	buf = append(buf, byte(b.Kind))
	buf = appendHead(buf, majorUint, uint64(index))
	if final {
		buf = append(buf, cborTrue)
	} else {
		buf = append(buf, cborFalse)
	}
	a.buf = buf
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
