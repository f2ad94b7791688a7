// Package archive is the part of an archive that does not depend on how its
// records lie in a file: ends and their digests, receipts, and the functions
// that a file needs of the packages that can open envelopes (docs/envelope.md,
// section 9).
//
//	archive.go   Functions: all that a file knows of envelopes
//	end.go       End: what is sealed about the records before it; Receipt
//	chain.go     Chain: the digests of a file's sections
//	carrier.go   Carrier: records that a copier takes over as they are
//
// The package must not know how envelopes are opened, nor any file.
package archive

import (
	"context"
	"errors"
)

// Types of records that are not messages.
const (
	TypeMessage          = 0
	TypeEnd              = 1
	TypeKeyRecord        = 2
	TypeDictionaryRecord = 3
	// FirstPassedOver begins the types that readers pass over.
	FirstPassedOver = 128
)

// ErrNotOpened is the error of OpenEnd for an end that an appender has no key
// for.
var ErrNotOpened = errors.New("no key for the end of the archive")

// Functions tell a file of envelopes about the envelopes in it. Writing needs
// Front and SealEnd, reading needs Front and OpenEnd or KeepRecord. They are
// called by one goroutine at a time.
type Functions struct {
	// Front returns the part of an envelope that rewrapping does not change:
	// the bytes before its recipients. ok is false for bytes that are no
	// envelope.
	Front func(e []byte) (front []byte, ok bool)

	// OpenEnd opens the result of SealEnd. Its error is reported unchanged
	// behind the place. For ErrNotOpened an appender begins a new archive id.
	OpenEnd func(ctx context.Context, sealed []byte) (end [EndSize]byte, err error)
	// KeepRecord is told of each record that is no message when it is read. An
	// error that it returns is that of the record. It keeps nothing of r.
	KeepRecord func(ctx context.Context, r *Record) error
	// NoteEnd, if not nil, is told of each end that has verified, and of each
	// that was written.
	NoteEnd func(End)
	// Receipt, if not nil, must be satisfied by an archive that is read, or
	// appended to.
	Receipt *Receipt

	// SealEnd appends to dst the envelope of an end.
	SealEnd func(ctx context.Context, dst []byte, end [EndSize]byte) ([]byte, error)
	// KeyRecord, if not nil, returns the name and the key record of the data
	// key of an envelope, which is to stand before its message. ok is false if
	// none is needed.
	KeyRecord func(e []byte) (name [16]byte, record []byte, ok bool)
	// Dictionary, if not nil, is the dictionary record that stands before the
	// first message.
	Dictionary []byte
	// Repair has an appender take over a file without a proper end: the end
	// that it writes says so.
	Repair bool
	// Carrier, if not nil, has the records that are written between messages,
	// the last end among them. SealEnd is not used then.
	Carrier *Carrier
}

// CanRead tells whether f has everything that reading needs.
func (f *Functions) CanRead() bool {
	return f.Front != nil && (f.OpenEnd != nil || f.KeepRecord != nil)
}

// CanWrite tells whether f has everything that writing needs.
func (f *Functions) CanWrite() bool { return f.Front != nil && (f.SealEnd != nil || f.Carrier != nil) }

// Record is a record that is no message.
type Record struct {
	Type byte
	// Body is the envelope of types 1 to 3, else the bytes of the record.
	Body []byte
	// Index counts the records that are no messages, from 0.
	Index uint64
	// Before is how many messages stand before it, and Print stands for all
	// records before it.
	Before uint64
	Print  [32]byte
}
