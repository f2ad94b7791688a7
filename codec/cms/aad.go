package cms

const version = "streamcrypt/1"

// Binding ties an envelope to its place without being on the wire. A nil
// Subject, Key or header value is null, which is not the empty string.
type Binding struct {
	Subject []byte
	Key     []byte
	// Form says with FormNamed that Named is bound and not Headers, and with
	// FormTime that Time is.
	Form       Form
	Headers    []BoundHeader // as many as are bound, in the order of their medium
	Named      []NamedHeader // in bytewise order of Name, each name once
	Time       int64         // unix milliseconds
	Dictionary []byte        // DictionarySize; nil: none
	Kind       Kind
}

// BoundHeader is a message header that is tied to the envelope.
type BoundHeader struct {
	Name  string
	Value []byte
}

// NamedHeader is all values that a message has for a header of a list, in their
// order. A header that the message does not have has no values.
type NamedHeader struct {
	Name   string
	Values [][]byte
}

// AAD builds the associated data of one context's messages (docs/envelope.md,
// section 5). It reuses its memory and is not safe for concurrent use.
//
// Messages of one route differ in a few bytes at the same places, so the layout
// of the last one is kept and only those bytes are written. Bound headers and
// times are of any length, so what follows them is written anew.
type AAD struct {
	buf         []byte
	prefix      []byte // external_aad up to the subject
	byReference bool
	protected   []byte    // of the envelope in hand; not ours
	template    *Template // of which only the position changes; nil: unknown
	last        front
	at          struct{ protected, external, subject, key, bound int } // offsets in buf, under last
	rear        rear                                                   // what stands in buf from at.bound on
}

// front is what decides where the bytes up to the bound headers stand in an
// Enc_structure.
type front struct {
	byReference, set        bool
	protected, subject, key int // sizes; -1 for null
	head                    int // size of the head of external_aad
}

// rear is all of the bytes behind the key, where nothing is bound.
type rear struct {
	kind  Kind
	index uint32
	final bool
	plain bool // nothing is bound, and there is no dictionary
}

// NewAAD returns an AAD for a context, which may be empty.
func NewAAD(context []byte) *AAD {
	prefix := appendHead(nil, majorArray, 10)
	prefix = appendText(prefix, version)
	return &AAD{prefix: appendBytes(prefix, context)}
}

// Clone returns an AAD for the same context and envelope, for another
// goroutine.
func (a *AAD) Clone() *AAD {
	return &AAD{prefix: a.prefix, byReference: a.byReference, protected: a.protected}
}

// SetHeader says which envelope the next calls of Bytes are about. It keeps
// protected until the next SetHeader.
func (a *AAD) SetHeader(byReference bool, protected []byte) {
	a.byReference, a.protected, a.template = byReference, protected, nil
	if a.hasHeader() {
		copy(a.buf[a.at.protected:], protected)
	}
}

// SetTemplate is SetHeader for the envelope that t is ready for. Of a template
// in the single form that was the last one too it writes the position alone.
func (a *AAD) SetTemplate(t *Template, p *Position) {
	if a.template == t && a.hasHeader() {
		p.putInto(a.buf[a.at.protected+t.shape.position.from-t.shape.protected.from:])
		return
	}
	a.SetHeader(t.shape.byReference, t.Protected())
	if !t.shape.chunked && !t.shape.coded {
		a.template = t
	}
}

// hasHeader tells whether there is a header in buf of the size of the present
// one.
func (a *AAD) hasHeader() bool {
	return a.last.set && a.last.byReference == a.byReference && a.last.protected == len(a.protected)
}

// Bytes returns the Enc_structure for one chunk. It is valid until the next
// call.
func (a *AAD) Bytes(b *Binding, index uint32, final bool) []byte {
	if !a.hasFront(b) {
		a.buildFront(b, 2)
		a.rear = rear{}
	}
	if b.Subject != nil {
		copy(a.buf[a.at.subject:], b.Subject)
	}
	copy(a.buf[a.at.key:], b.Key)
	plain := len(b.Headers) == 0 && b.Form&(FormNamed|FormTime) == 0 && b.Dictionary == nil
	if plain && a.rear.plain && a.rear.kind == b.Kind && a.rear.index == index && a.rear.final == final {
		return a.buf
	}
	a.rear = rear{b.Kind, index, final, plain}
	a.buf = appendRear(a.buf[:a.at.bound], b, index, final)
	size := len(a.buf) - a.at.external - a.last.head
	// the external_aad is longer, or shorter, than those before
	if head := headSize(uint64(size)); head != a.last.head {
		a.buildFront(b, head)
		a.buf = appendRear(a.buf, b, index, final)
	}
	appendHead(a.buf[:a.at.external], majorBytes, uint64(size))
	return a.buf
}

// hasFront tells whether the bytes up to the bound headers stand where those of
// the last message do. Field by field it costs half of a comparison of structs,
// which is a call.
func (a *AAD) hasFront(b *Binding) bool {
	return a.hasHeader() && a.last.key == size(b.Key) && a.last.subject == size(b.Subject)
}

// size is the length of b, or -1 for null.
func size(b []byte) int {
	if b == nil {
		return -1
	}
	return len(b)
}

// buildFront writes everything up to the bound headers, with room for the head
// of external_aad in so many bytes.
func (a *AAD) buildFront(b *Binding, head int) {
	a.last = front{a.byReference, true, len(a.protected), size(b.Subject), size(b.Key), head}
	buf := append(a.buf[:0], majorArray|3)
	if a.byReference {
		buf = append(buf, "\x68Encrypt0"...)
	} else {
		buf = append(buf, "\x67Encrypt"...)
	}
	buf = appendBytes(buf, a.protected)
	a.at.protected = len(buf) - len(a.protected)
	a.at.external = len(buf)
	buf = append(buf, "\x00\x00\x00\x00\x00\x00\x00\x00\x00"[:head]...)
	buf = append(buf, a.prefix...)
	buf = appendBytesOrNull(buf, b.Subject)
	a.at.subject = len(buf) - len(b.Subject)
	buf = appendBytesOrNull(buf, b.Key)
	a.at.key = len(buf) - len(b.Key)
	a.at.bound = len(buf)
	a.buf = buf
}

// appendRear appends external_aad from the bound headers on.
func appendRear(dst []byte, b *Binding, index uint32, final bool) []byte {
	if b.Form&FormNamed != 0 {
		dst = appendNamed(dst, b.Named)
	} else {
		dst = appendBound(dst, b.Headers)
	}
	if b.Form&FormTime != 0 {
		dst = appendInt(dst, b.Time)
	} else {
		dst = append(dst, cborNull)
	}
	dst = appendBytesOrNull(dst, b.Dictionary)
	dst = append(dst, byte(b.Kind))
	dst = appendHead(dst, majorUint, uint64(index))
	if final {
		return append(dst, cborTrue)
	}
	return append(dst, cborFalse)
}

func appendBound(dst []byte, headers []BoundHeader) []byte {
	dst = appendHead(dst, majorArray, uint64(len(headers)))
	for i := range headers {
		h := &headers[i]
		dst = appendHead(append(dst, majorArray|2), majorBytes, uint64(len(h.Name)))
		dst = append(dst, h.Name...)
		dst = appendBytesOrNull(dst, h.Value)
	}
	return dst
}

func appendNamed(dst []byte, named []NamedHeader) []byte {
	dst = appendHead(dst, majorArray, uint64(len(named)))
	for i := range named {
		dst = appendHead(append(dst, majorArray|2), majorBytes, uint64(len(named[i].Name)))
		dst = append(dst, named[i].Name...)
		dst = appendHead(dst, majorArray, uint64(len(named[i].Values)))
		for _, v := range named[i].Values {
			dst = appendBytesOrNull(dst, v)
		}
	}
	return dst
}
