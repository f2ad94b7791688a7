// Package format reads and writes records: how messages lie in files and
// objects.
//
// Four formats hold messages. ndjson holds one message a line, for people and
// for other programs. lines holds values that other programs have written, one
// a line. seq holds envelopes: an appendable archive whose sealed end record
// tells whether anything is missing. kcat is read only: lines of the program of
// that name. A raw file is one payload and never
// becomes a message.
//
// A connector that stores messages as bytes checks its options once, with
// [ForReading] or [ForWriting], and gets a [Layout]. A Layout makes Decoders
// and Encoders; a [Batch] collects decoded messages in memory of its own, and a
// [Shelf] recycles batches.
//
// The package opens nothing and starts no goroutine: its caller reads and
// writes the bytes. It must not know crypto: an [Archive] brings everything
// that a seq needs of envelopes.
//
//	format.go   Format, Options, Layout, Archive: the choices of a caller
//	codec.go    Decoder and Encoder
//	batch.go    Batch and Shelf: the memory of decoded messages
//	window.go   Window: the bytes that were read and are no record yet
//	check.go    which messages fit, and the size of their records
//	lines.go    values as lines; jsonkey.go finds a record key in one
//	ndjson.go, jsonstring.go  writing ndjson
//	ndjsonread.go, splitter.go, json.go, text.go  reading ndjson
//	kcat.go     reading lines of kcat
//	seq.go      frames and digests of a seq; seqwrite.go and seqread.go
//	seqlarge.go a record of a seq that is too large to be kept
//	body.go     the CBOR body of a seq's record
//	torn.go     the rest of a write that did not come to its end
package format

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/streamcrypt/streamcrypt/codec/archive"
)

const (
	// DefaultMaxRecord is the most bytes of one record: an ndjson line, or type
	// and body in a seq.
	DefaultMaxRecord = 64 << 20
	// DefaultMaxHeaders is the most headers of one message.
	DefaultMaxHeaders = 4096
)

// Format is how messages lie in a file.
type Format string

const (
	// Raw is one payload without messages. A Layout refuses it.
	Raw Format = "raw"
	// NDJSON is one JSON object a line.
	NDJSON Format = "ndjson"
	// Lines is one value a line, and nothing else of a message.
	Lines Format = "lines"
	// Kcat is one message a line, as kcat -J writes it. It is read only.
	Kcat Format = "kcat"
	// Seq is an appendable sequence of envelopes with a sealed end record.
	Seq Format = "seq"
)

// StandsAlone tells whether the records of the format do not depend on one
// another: several Encoders may then write an output, one part each.
func (f Format) StandsAlone() bool { return f == NDJSON || f == Lines }

// OfPath returns the format that a path's extension stands for: NDJSON for
// .ndjson and .jsonl, Seq for .scx, else Raw.
func OfPath(path string) Format {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".ndjson", ".jsonl":
		return NDJSON
	case ".scx":
		return Seq
	default:
		return Raw
	}
}

// Archive tells a seq about the envelopes in it. Without its functions a seq is
// refused: it never holds plaintext.
type Archive = archive.Functions

// Options say how records lie in an input or an output.
type Options struct {
	// Format is NDJSON, Lines or Seq.
	Format Format
	// Key is the field in the JSON of each line that is the record key, such as
	// ".customer.id"; "" for none. It is for reading Lines.
	Key string
	// NoteReplaced, if not nil, is told of each message of a Kcat that holds
	// U+FFFD: bytes of it may have been replaced. It does not block.
	NoteReplaced func()
	// Archive is for a seq. See Archive for the functions that are needed.
	Archive Archive
	// MaxRecord is the most bytes of one record, DefaultMaxRecord if 0.
	MaxRecord int
	// MaxHeaders is the most headers of one message, DefaultMaxHeaders if 0.
	MaxHeaders int
}

// Layout is checked Options. It is not changed, so it is safe for concurrent
// use; the Decoders and Encoders that it makes are not.
type Layout struct {
	format  Format
	archive Archive
	key     []string
	limits  limits

	noteReplaced func()
}

// ForReading checks the options of an input.
func ForReading(o Options) (*Layout, error) {
	if o.Format == Seq && !o.Archive.CanRead() {
		return nil, errors.New("seq is for ciphertext only: nothing is there to check its end record with")
	}
	return newLayout(o)
}

// ForWriting checks the options of an output. The functions for reading are for
// a file to which is appended.
func ForWriting(o Options) (*Layout, error) {
	if o.Format == Seq && !o.Archive.CanWrite() {
		return nil, errors.New("seq is for ciphertext only: nothing is there to seal its end record with")
	}
	if o.Format == Kcat {
		return nil, errors.New("kcat is a format to read: write ndjson")
	}
	return newLayout(o)
}

func newLayout(o Options) (*Layout, error) {
	switch o.Format {
	case NDJSON, Lines, Kcat, Seq:
	case Raw:
		return nil, errors.New("a raw file holds no messages")
	default:
		return nil, fmt.Errorf("format %q is not one of ndjson, lines, kcat, seq", string(o.Format))
	}
	l, err := newLimits(o.MaxRecord, o.MaxHeaders)
	if err != nil {
		return nil, err
	}
	key, err := parseKeyPath(o.Key)
	switch {
	case err != nil:
		return nil, err
	case key != nil && o.Format != Lines:
		return nil, fmt.Errorf("%s has record keys of its own: a field for them is for lines", o.Format)
	}
	return &Layout{format: o.Format, archive: o.Archive, key: key, limits: l, noteReplaced: o.NoteReplaced}, nil
}

// Format returns the format of the records.
func (l *Layout) Format() Format { return l.format }

// MaxRecord returns the most bytes of one record.
func (l *Layout) MaxRecord() int { return l.limits.record }

// limits bound the size of one record.
type limits struct {
	record  int // bytes
	headers int
}

func newLimits(record, headers int) (limits, error) {
	if record < 0 || headers < 0 || record > 1<<30 {
		return limits{}, errors.New("record or header limit is out of range")
	}
	if record == 0 {
		record = DefaultMaxRecord
	}
	if headers == 0 {
		headers = DefaultMaxHeaders
	}
	return limits{record: record, headers: headers}, nil
}
