package envelope

import (
	"bytes"
	"cmp"
	"errors"
	"slices"

	"github.com/streamcrypt/streamcrypt/codec/cms"
)

// Binding ties an envelope to the place where it belongs. None of it stands in
// the envelope: sealer and opener must give the same values, and an envelope that
// was moved to another key or subject does not open (docs/envelope.md, section
// 5). The zero Binding ties it to the context alone.
type Binding struct {
	Subject []byte  // the subject of a NATS message; nil: none, which is not the empty one
	Key     []byte  // the record key; nil: none, which is not the empty one
	Bound   []Bound // headers, in any order, each name once
	Kind    Kind    // Value, unless the payload is none of the application's
}

// Bound is a message header that is part of a Binding, with all the values that
// the message has for it, in their order. A header that is absent has none. A
// nil value is null, which is not the empty one.
type Bound struct {
	Name   string
	Values [][]byte
}

// Kind says which kind of payload an envelope seals. An envelope of one kind does
// not open as another.
type Kind uint8

// The kinds. Tombstone and KeyRecord have an empty payload.
const (
	Value        = Kind(cms.Value)
	Tombstone    = Kind(cms.Tombstone)    // stands for a null value
	KeyRecord    = Kind(cms.KeyRecord)    // says how a data key is wrapped
	EndOfArchive = Kind(cms.EndOfArchive) // ends a file of records
)

// Position says where a message was stored before it was sealed. It stands in
// the envelope, where everyone can read it, and the tag covers it
// (docs/envelope.md, section 3). The zero Position says nothing.
type Position struct {
	Place    [7]byte // which partition, stream or file, as a hash; zero: none
	Offset   uint64  // of the message in its place
	Distance uint32  // to the message before it; 0: the place has no order; UnknownDistance
	Created  uint32  // when it was sealed, unix seconds; Seal writes it from the clock
}

// UnknownDistance is the Distance of a message whose place has an order, and
// whose predecessor is not known.
const UnknownDistance = cms.Unknown

var errBoundTwice = errors.New("a bound header is named twice")

// binder turns Bindings into those of package cms. It reuses its memory.
type binder struct {
	out   cms.Binding
	bound []cms.Bound
}

// bind returns b, valid until the next call; nil is the zero Binding.
func (r *binder) bind(b *Binding) (*cms.Binding, error) {
	if b == nil {
		r.out = cms.Binding{}
		return &r.out, nil
	}
	r.out = cms.Binding{Subject: b.Subject, Key: b.Key, Kind: cms.Kind(b.Kind)}
	if len(b.Bound) == 0 {
		return &r.out, nil
	}
	r.bound = r.bound[:0]
	for i := range b.Bound {
		r.bound = append(r.bound, cms.Bound(b.Bound[i]))
	}
	r.out.Bound = r.bound
	return &r.out, sortBound(r.bound)
}

// sortBound puts headers into bytewise order of their names.
func sortBound(bound []cms.Bound) error {
	byName := func(a, b cms.Bound) int { return cmp.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(bound, byName) {
		slices.SortFunc(bound, byName)
	}
	for i := 1; i < len(bound); i++ {
		if bound[i].Name == bound[i-1].Name {
			return errBoundTwice
		}
	}
	return nil
}

// copyBinding returns a Binding that shares no memory with b, for a stream that
// outlives the call.
func copyBinding(b Binding) Binding {
	b.Subject, b.Key, b.Bound = bytes.Clone(b.Subject), bytes.Clone(b.Key), slices.Clone(b.Bound)
	for i := range b.Bound {
		values := slices.Clone(b.Bound[i].Values)
		for j := range values {
			values[j] = bytes.Clone(values[j])
		}
		b.Bound[i].Values = values
	}
	return b
}
