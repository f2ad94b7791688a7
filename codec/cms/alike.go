package cms

// Alike recognises envelopes in the single form that differ from a given one
// only in position, IV and ciphertext: those of the same DEK, with the same
// recipients. It costs a fraction of Parse. The zero value recognises none. It
// is not safe for concurrent use.
type Alike struct {
	shape *shape // nil: none
	fixed []byte // the bytes between position and IV: commitment or kid among them
	tail  []byte // the encoded recipients
}

// Set makes b the given envelope; e is its parse. Its recipients must have
// passed ParseRecipients. Set copies the bytes that it needs. No envelope is
// alike to one in the chunked form.
func (a *Alike) Set(b []byte, e *Envelope) {
	a.shape = nil
	a.tail = append(a.tail[:0], e.Recipients...)
	if e.Chunked {
		return
	}
	a.shape = shapeOf(e.ByReference, false)
	a.fixed = append(a.fixed[:0], b[len(a.shape.lead)+PositionSize:a.shape.ivAt]...)
}

// Match tells whether Parse would accept b, with commitment or kid and
// recipients equal to those of the given one.
func (a *Alike) Match(b []byte) bool {
	s := a.shape
	if s == nil || len(b) < s.size+len(a.tail) {
		return false
	}
	size, head, ok := bytesHead(b[s.size:])
	end := s.size + head + size
	return ok && size >= tagSize && size <= MaxSingle+tagSize && len(b) == end+len(a.tail) &&
		string(b[end:]) == string(a.tail) &&
		string(b[len(s.lead)+PositionSize:s.ivAt]) == string(a.fixed) &&
		string(b[:len(s.lead)]) == s.lead
}

// Recipients are the encoded recipients of the given one, and of those that are
// alike. They are valid until Set.
func (a *Alike) Recipients() []byte { return a.tail }
