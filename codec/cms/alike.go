package cms

// Alike recognises envelopes in the single form that differ from a given one
// only in position, IV and ciphertext: those of the same DEK, with the same
// recipients. It costs a fraction of Parse. The zero value recognises none. It
// is not safe for concurrent use.
type Alike struct {
	shape *shape // nil: none
	fixed []byte // the bytes between position and IV: commitment or kid among them
	after []byte // the bytes between IV and ciphertext
	tail  []byte // the encoded recipients
}

// Set makes b the given envelope; e is its parse. Its recipients must have
// passed ParseRecipients. Set copies the bytes that it needs. No envelope is
// alike to one in the chunked form, or to one with passed-over labels.
func (a *Alike) Set(b []byte, e *Envelope) {
	a.shape = nil
	a.tail = append(a.tail[:0], e.Recipients...)
	if e.Chunked {
		return
	}
	s := shapeFor(b)
	if s == nil || !s.matches(b) {
		return
	}
	a.shape = s
	a.fixed = append(a.fixed[:0], b[s.position.from+PositionSize:s.iv.from]...)
	a.after = append(a.after[:0], b[s.iv.to:s.size]...)
}

// Match tells whether Parse would accept b, with commitment or kid, signature
// and recipients equal to those of the given one.
func (a *Alike) Match(b []byte) bool {
	s := a.shape
	if s == nil || len(b) < s.size+len(a.tail) {
		return false
	}
	size, head, ok := bytesHead(b[s.size:])
	end := s.size + head + size
	if !ok || size < tagSize || size > MaxSingle+tagSize || len(b) != end+len(a.tail) ||
		string(b[end:]) != string(a.tail) ||
		string(b[s.position.from+PositionSize:s.iv.from]) != string(a.fixed) ||
		string(b[s.iv.to:s.size]) != string(a.after) ||
		string(b[:s.position.from]) != s.literals[0].text {
		return false
	}
	p := readPosition(b[s.position.from:])
	return p.check() == nil
}

// Created is when an envelope was sealed that Match has recognised, in unix
// seconds.
func (a *Alike) Created(b []byte) uint32 {
	return readPosition(b[a.shape.position.from:]).Created
}

// Recipients are the encoded recipients of the given one, and of those that are
// alike. They are valid until Set.
func (a *Alike) Recipients() []byte { return a.tail }
