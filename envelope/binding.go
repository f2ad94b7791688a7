package envelope

import (
	"bytes"
	"cmp"
	"errors"
	"slices"

	"github.com/streamcrypt/streamcrypt/codec/cms"
)

// Binding ties an envelope to the place where it belongs. None of it stands in
// the envelope: sealer and opener must give the same values, and an envelope
// that was moved to another key or subject does not open (docs/envelope.md,
// section 5). The zero Binding ties it to the context alone.
type Binding struct {
	Subject []byte  // the subject of a NATS message; nil: none, which is not the empty one
	Key     []byte  // the record key; nil: none, which is not the empty one
	Bound   []Bound // headers, in any order, each name once
	Kind    Kind    // Value, unless the payload is none of the application's own
}

// Bound is a message header that is part of a Binding:
//
//	Name   string   // of the header
//	Values [][]byte // all that the message has for it, in their order
//
// A header that is absent has no values. A nil value is null, which is not the
// empty one.
type Bound = cms.Bound

// Kind says which kind of payload an envelope seals. An envelope of one kind
// does not open as another.
type Kind = cms.Kind

// The kinds. Tombstone and KeyRecord have an empty payload.
const (
	Value        = cms.Value
	Tombstone    = cms.Tombstone    // stands for a null value
	KeyRecord    = cms.KeyRecord    // says how a data key is wrapped
	EndOfArchive = cms.EndOfArchive // ends a file of records
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

// UnknownDistance is the Distance of a message if its place has an order, and
// the message before it is not known.
const UnknownDistance = cms.Unknown

var errBoundTwice = errors.New("a bound header is named twice")

// isPlain says that b needs no convertBinding.
func isPlain(b *Binding) bool { return b != nil && len(b.Bound) < 2 }

// convertBinding returns b as package cms takes it, with its headers in
// bytewise order of their names. nil is the zero Binding. It copies only
// if it must.
func convertBinding(b *Binding) (*cms.Binding, error) {
	switch {
	case b == nil:
		return &cms.Binding{}, nil
	case isSorted(b.Bound):
		return (*cms.Binding)(b), nil
	}
	sorted := cms.Binding(*b)
	sorted.Bound = slices.Clone(b.Bound)
	slices.SortFunc(sorted.Bound, func(x, y Bound) int { return cmp.Compare(x.Name, y.Name) })
	if !isSorted(sorted.Bound) {
		return nil, errBoundTwice
	}
	return &sorted, nil
}

// isSorted says that each name is greater than the one before it.
func isSorted(bound []Bound) bool {
	for i := 1; i < len(bound); i++ {
		if bound[i-1].Name >= bound[i].Name {
			return false
		}
	}
	return true
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
