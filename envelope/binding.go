package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/streamcrypt/streamcrypt/codec/cms"
)

// Binding ties an envelope to the place where it belongs. None of it stands in
// the envelope: sealer and opener must give the same values, and an envelope
// that was moved to another key or subject does not open (docs/envelope.md,
// section 5). The zero Binding ties it to the context alone.
type Binding struct {
	Subject []byte    // the subject of a NATS message; nil: none, which is not the empty one
	Key     []byte    // the record key; nil: none, which is not the empty one
	Headers []Header  // all that the message has, in its order
	Time    time.Time // of the record; the zero Time: it has none
	Kind    Kind      // Value, unless the payload is none of the application's own
}

// Header is a header of a message:
//
//	Name  string
//	Value []byte // nil: null, which is not the empty one
type Header = cms.BoundHeader

// Bind says which parts of a message its envelope is bound to, beside subject
// and key. Sealer and Opener need the same Medium and Names; the rest an opener
// learns from the envelope. The zero Bind binds all headers, and no time.
type Bind struct {
	Medium Medium
	// Named has only the headers of Names bound, and those that have an effect
	// on NATS (docs/envelope.md, section 5).
	Named bool
	Names []string
	// Time has the record's time bound, in milliseconds. Envelopes in a stream
	// have none.
	Time bool
}

// Medium is the kind of place in which envelopes lie. It decides which headers
// count, and in which order.
type Medium uint8

const (
	// Topic is a Kafka topic, a file of records, or a program's own: headers
	// stand in an order. Others may append to them: see
	// OpenerOptions.ExtraHeaders.
	Topic Medium = iota
	// Stream is a NATS stream: headers have no order, so they are bound sorted
	// by name, and all of them (docs/envelope.md, section 18).
	Stream
)

// TombstoneHeader is the header in which a tombstone carries its envelope. It
// never counts, and is never bound.
const TombstoneHeader = "streamcrypt"

// effects are the headers that have an effect on NATS. They are bound in every
// form.
var effects = []string{"KV-Operation", "Streamcrypt-Msg-Id", "Streamcrypt-Rollup", "Streamcrypt-TTL"}

// Check returns an error for a Bind that cannot be.
func (b *Bind) Check() error {
	switch {
	case b.Medium > Stream:
		return fmt.Errorf("unknown medium %d", b.Medium)
	case b.Time && b.Medium == Stream:
		return errors.New("a message in a stream has no time that could be bound")
	case len(b.Names) > 0 && !b.Named:
		return errors.New("headers are named where all of them are bound")
	case len(b.Names) > cms.MaxBound-len(effects):
		return fmt.Errorf("more than %d headers to bind", cms.MaxBound-len(effects))
	}
	for _, name := range b.Names {
		if !b.Medium.counts(name) {
			return fmt.Errorf("header %q cannot be bound", name)
		}
	}
	return nil
}

// counts tells whether headers of this name count.
func (m Medium) counts(name string) bool {
	switch {
	case name == TombstoneHeader:
		return false
	case m != Stream || len(name) < 5:
		return true
	}
	switch name {
	case "Streamcrypt-Key", "Streamcrypt-Null", "Streamcrypt-Part":
		return false
	}
	return !strings.EqualFold(name[:5], "Nats-")
}

// Counts tells whether headers of this name count: they are bound, unless the
// headers are Named.
func (b *Bind) Counts(name string) bool { return b.Medium.counts(name) }

// IsNamed tells whether headers of this name are bound where headers are Named.
func (b *Bind) IsNamed(name string) bool {
	return slices.Contains(b.Names, name) || slices.Contains(effects, name)
}

// IsInstruction tells whether a decryptor never passes on a header of this name
// unless it is bound: at a NATS server it is an instruction (docs/envelope.md,
// section 5).
func IsInstruction(name string) bool {
	hasPrefix := func(prefix string) bool {
		return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
	}
	return hasPrefix("Streamcrypt") || hasPrefix("Nats-") || strings.EqualFold(name, "KV-Operation")
}

// Kind says which kind of payload an envelope seals. An envelope of one kind
// does not open as another.
type Kind = cms.Kind

// The kinds. Tombstone and KeyRecord have an empty payload.
const (
	Value            = cms.Value
	Tombstone        = cms.Tombstone        // stands for a null value
	KeyRecord        = cms.KeyRecord        // says how a data key is wrapped
	EndOfArchive     = cms.EndOfArchive     // ends a section of a file of records
	DictionaryRecord = cms.DictionaryRecord // holds a dictionary
)

// Position says where a message was stored before it was sealed. It stands in
// the envelope, where everyone can read it, and the tag covers it
// (docs/envelope.md, section 3). Without a Source it says nothing, and the
// other fields but Created must be zero.
type Position struct {
	Source    [5]byte // names the log, as a hash; zero: none
	Partition uint16
	Term      uint64 // tells apart messages at one offset; at most 2^40-1
	Offset    uint64 // of the message in its partition; at most 2^48-1
	Distance  uint32 // to the message before it; 0: the place has no order; UnknownDistance
	Created   uint32 // when it was sealed, unix seconds; Seal writes it from the clock

	Rising        bool // terms rise along the place, and do not stay as they are
	SamePartition bool // the envelope lies in a partition of the same number
}

// Limits of a Position.
const (
	MaxTerm   = cms.MaxTerm
	MaxOffset = cms.MaxOffset
	// UnknownDistance is the Distance of a message if its place has an order,
	// and the message before it is not known or too far away.
	UnknownDistance = cms.Unknown
)

var errPosition = errors.New("a position over its limits, or without a source")

// encode writes p as package cms takes it, with no headers bound.
func (p *Position) encode(to *cms.Position) error {
	to.Form = 0
	if p.Rising {
		to.Form |= cms.FormRising
	}
	if p.SamePartition {
		to.Form |= cms.FormSamePartition
	}
	to.Source, to.Partition, to.Term = p.Source, p.Partition, p.Term
	to.Offset, to.Distance, to.Created, to.Bound = p.Offset, p.Distance, p.Created, 0
	if p.Term > MaxTerm || p.Offset > MaxOffset || p.Distance > UnknownDistance ||
		p.Source == [5]byte{} && (to.Form != 0 || p.Partition != 0 || p.Term|p.Offset|uint64(p.Distance) != 0) {
		return errPosition
	}
	return nil
}

// decodePosition reads a position as package cms has read it.
func decodePosition(to *Position, p *cms.Position) {
	to.Source, to.Partition, to.Term = p.Source, p.Partition, p.Term
	to.Offset, to.Distance, to.Created = p.Offset, p.Distance, p.Created
	to.Rising, to.SamePartition = p.Form&cms.FormRising != 0, p.Form&cms.FormSamePartition != 0
}

// Opened is what an envelope that has been opened says beside its payload.
type Opened struct {
	Position
	// Bound is how many of the headers that count are authenticated: the first
	// ones. Extra is how many stand behind them. Where headers are Named, only
	// those are authenticated, and both are 0.
	Bound, Extra int
	Named        bool
	// Vouched says that the data key is surely of a program that may seal: a
	// signer vouches for it, or the key that it was wrapped for is not public.
	Vouched bool
}

// copyBinding returns a Binding that shares no memory with b, for a stream that
// outlives the call.
func copyBinding(b Binding) Binding {
	b.Subject, b.Key, b.Headers = bytes.Clone(b.Subject), bytes.Clone(b.Key), slices.Clone(b.Headers)
	for i := range b.Headers {
		b.Headers[i].Value = bytes.Clone(b.Headers[i].Value)
	}
	return b
}
