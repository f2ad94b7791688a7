package cms

import "slices"

// Alike recognises envelopes in the single form that differ from a given one
// only in position, IV and ciphertext: those of the same DEK, with the same
// recipients. It costs a fraction of Parse. The zero value recognises none. It
// is not safe for concurrent use.
type Alike struct {
	shape *shape    // nil: none
	head  []byte    // the bytes before the ciphertext
	words []word    // all of head but position and IV
	tail  []byte    // the encoded recipients
	e     *Envelope // returned by Read
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
	a.head = append(a.head[:0], b[:s.size]...)
	a.words = slices.Grow(a.words[:0], s.size/8+3)
	for _, part := range [...]span{
		{0, s.position.from}, {s.position.from + PositionSize, s.iv.from}, {s.iv.to, s.size},
	} {
		a.words = appendWords(a.words, a.head, part)
	}
	if a.e == nil {
		a.e = new(Envelope)
	}
	*a.e = Envelope{Header: Header{ByReference: s.byReference, Coded: s.coded, Coding: e.Coding}}
	if s.byReference {
		a.e.KID = s.kid.of(a.head)
	} else {
		a.e.Commitment = s.commitment().of(a.head)
		a.e.Recipients = a.tail
	}
	if s.signed {
		a.e.Signature = s.signature.of(a.head)
	}
}

// Match tells whether Parse would accept b, with commitment or kid, signature
// and recipients equal to those of the given one.
func (a *Alike) Match(b []byte) bool { return a.Read(b) != nil }

// Read returns an envelope that is alike as Parse would read it, and nil for
// any other. It is valid until the next call of a method. Commitment or KID,
// Signature and Recipients are in memory of a, and the rest aliases b.
func (a *Alike) Read(b []byte) *Envelope {
	s := a.shape
	if s == nil || len(b) < s.size+len(a.tail) || !haveWords(b, a.words) {
		return nil
	}
	size, head, ok := singleHead(b[s.size:])
	from := s.size + head
	to := from + size
	if !ok || len(b) != to+len(a.tail) ||
		len(a.tail) > 0 && string(b[to:]) != string(a.tail) {
		return nil
	}
	e := a.e
	e.Position.readFrom(b[s.position.from:])
	if e.Position.check() != nil {
		return nil
	}
	e.Protected, e.IV, e.Ciphertext = s.protected.of(b), s.iv.of(b), b[from:to:to]
	return e
}

// Created is when an envelope was sealed that Match has recognised, in unix
// seconds.
func (a *Alike) Created(b []byte) uint32 {
	var p Position
	p.readFrom(b[a.shape.position.from:])
	return p.Created
}

// Recipients are the encoded recipients of the given one, and of those that are
// alike. They are valid until Set.
func (a *Alike) Recipients() []byte { return a.tail }
