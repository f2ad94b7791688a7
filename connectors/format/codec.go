package format

import (
	"context"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Resumable carries a Decoder or an Encoder over a restart, between two
// records.
type Resumable interface {
	// AppendState appends the state to dst.
	AppendState(dst []byte) []byte
	// Restore takes over a state of AppendState. Its error wraps ErrMalformed.
	Restore(state []byte) error
}

// Decoder splits the bytes of one input into records and decodes them. It is
// used by one goroutine, through Batch.Decode.
type Decoder interface {
	Resumable
	// Next returns the length of the first record in b, or 0 if more bytes are
	// needed to know it. With eof there are no more. An error wraps one of this
	// package.
	Next(b []byte, eof bool) (int, error)
	// InPieces tells whether the last call of Next has returned the length of a
	// piece of a record that is too large to be kept. Its pieces are decoded
	// one after the other; the last one gives the error.
	InPieces() bool
	// Finish is called at the end of the input. Its error wraps ErrTruncated:
	// an input must not end there.
	Finish() error
	// CanResume tells whether the input may be read on from here after a
	// restart. Else it is read again from its beginning: records were met that
	// its reader has to know.
	CanResume() bool
	// Locate names the record of the last error, which has this index, counted
	// from 0.
	Locate(place string, index int64) string

	// decodeInto makes the record a message of b. It returns false for another
	// kind of record, which it checks. It may change the record, and the
	// message points into it. See Batch.Decode for its error.
	decodeInto(ctx context.Context, record []byte, b *Batch) (bool, error)
}

// Encoder assembles the bytes of one output. It is used by one goroutine.
type Encoder interface {
	Resumable
	// Begin appends the bytes that an output starts with.
	Begin(dst []byte) []byte
	// Append appends the record of m. With an error it returns dst unchanged;
	// the error of Layout.Check is a *pipeline.Reject.
	Append(dst []byte, m *pipeline.Message) ([]byte, error)
	// End appends the bytes that a complete output ends with.
	End(ctx context.Context, dst []byte) ([]byte, error)
}

// NewDecoder returns a Decoder for the beginning of an input. The Layout comes
// from ForReading, or from ForWriting to append.
func (l *Layout) NewDecoder() Decoder {
	lines := lineSplitter{most: l.limits.record}
	switch l.format {
	case Seq:
		return newSeqDecoder(l.archive, l.limits)
	case Kcat:
		return &kcatDecoder{lineSplitter: lines, headers: l.limits.headers, noteReplaced: l.noteReplaced}
	case Lines:
		return &valueDecoder{lineSplitter: lines, key: l.key}
	default:
		return &lineDecoder{lineSplitter: lines, headers: l.limits.headers}
	}
}

// NewRescanner returns a Decoder for input that another Decoder of the Layout
// has read before. Ends are opened again, but neither KeepRecord nor NoteEnd is
// told of anything.
func (l *Layout) NewRescanner() Decoder {
	d := l.NewDecoder()
	switch d := d.(type) {
	case *seqDecoder:
		d.archive.KeepRecord, d.archive.NoteEnd = nil, nil
	case *kcatDecoder:
		d.noteReplaced = nil
	}
	return d
}

// NewEncoder returns an Encoder for the beginning of an output. The Layout
// comes from ForWriting.
func (l *Layout) NewEncoder() Encoder {
	switch l.format {
	case Seq:
		return newSeqEncoder(l.archive, l.limits)
	case Lines:
		return &valueEncoder{limits: l.limits}
	default:
		return &lineEncoder{limits: l.limits}
	}
}

// ContinueAfter makes e continue behind the last record that d has read: of an
// input that was cut there if isCut says so. own says that this run wrote the
// records. Both come from one Layout. The error wraps one of this package.
func ContinueAfter(d Decoder, e Encoder, isCut, own bool) error {
	from, ok := d.(*seqDecoder)
	if !ok {
		return nil // lines do not depend on one another
	}
	return e.(*seqEncoder).continueAfter(from, isCut, own)
}
