// Package file reads messages from files and writes messages to files.
//
// Two formats pass through here. ndjson holds one message a line, for people and for other programs.
// seq holds envelopes: an appendable archive whose sealed end record tells whether anything is
// missing. (A raw file is one payload and never becomes a message; of this package it uses Atomic.)
//
// A file is one lane and one place, read to its end. An output is written under a temporary name and
// renamed when it is complete, so a failure leaves no partial file. With a Checkpoint it is written
// in place instead: the checkpoint holds what has been read and how long the output was then, and a
// resumed run cuts the output there and goes on, which delivers exactly once on one host.
//
// The package must not know crypto: what an envelope's tag is and how an end record is sealed come
// in through Archive. It knows no broker either, and takes messages of any Source.
package file

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Stream is the path that means standard input or standard output.
const Stream = "-"

const (
	// DefaultMaxRecord is the most bytes of one record: an ndjson line, or type and body in a seq.
	DefaultMaxRecord = 64 << 20
	// DefaultMaxHeaders is the most headers of one message.
	DefaultMaxHeaders = 4096
)

// Format is how messages lie in a file.
type Format string

const (
	// Raw is one payload without messages. Sources and sinks refuse it.
	Raw Format = "raw"
	// NDJSON is one JSON object a line.
	NDJSON Format = "ndjson"
	// Seq is an appendable sequence of envelopes with a sealed end record.
	Seq Format = "seq"
)

// FormatOf returns the format that a path's extension stands for: .ndjson and .jsonl, .scx, else raw.
func FormatOf(path string) Format {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".ndjson", ".jsonl":
		return NDJSON
	case ".scx":
		return Seq
	default:
		return Raw
	}
}

// Archive is what a seq file needs to know of the envelopes in it. A sink needs Tag and SealEnd, a
// source Tag and OpenEnd or KeepEnd. Without them a seq is refused: it never holds plaintext.
type Archive struct {
	// Tag appends the GCM tag of m's envelope to dst: the last segment's tag of a chunked envelope,
	// and for a tombstone the tag of the envelope in its header. It keeps nothing of m.
	Tag func(dst []byte, m *pipeline.Message) ([]byte, error)
	// SealEnd appends to dst the sealed record of how many messages the file has, and the SHA-256
	// over their tags in order.
	SealEnd func(ctx context.Context, dst []byte, count uint64, digest [32]byte) ([]byte, error)
	// OpenEnd opens what SealEnd made. Its error is reported as it is, with the place before it.
	// A sink that appends to a file checks the end records in it if OpenEnd is set; an encryptor
	// that holds public keys only cannot open them.
	OpenEnd func(ctx context.Context, record []byte) (count uint64, digest [32]byte, err error)
	// KeepEnd, if OpenEnd is not set, is told of each end record that a source has read, unchecked, and of how many messages
	// stand before it with which digest; after a restart again of the last one, if nothing follows it. It keeps nothing of
	// record. It is for whoever copies an archive without a key to check it with.
	KeepEnd func(record []byte, count uint64, digest [32]byte)
}

// limits bound what one record may hold.
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

func checkFormat(f Format) error {
	switch f {
	case NDJSON, Seq:
		return nil
	case Raw:
		return errors.New("a raw file holds no messages")
	default:
		return fmt.Errorf("format %q is not one of ndjson, seq", string(f))
	}
}
