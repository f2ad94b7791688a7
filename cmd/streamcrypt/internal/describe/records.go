package describe

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/internal/textfile"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// Record is one envelope in an input, with the fields beside it.
type Record struct {
	Number   int64     `json:"number,omitempty"` // of a message in a file of them, from 1
	Origin   string    `json:"origin,omitempty"` // of a message in a topic or a stream: place@offset
	Kind     string    `json:"kind,omitempty"`   // value, tombstone, key record or end of archive, by where it stands
	Subject  string    `json:"subject,omitempty"`
	KeySize  *int      `json:"key_size,omitempty"` // bytes; nil: null
	Headers  []string  `json:"headers,omitempty"`  // names
	Envelope *Envelope `json:"envelope,omitempty"`
	Error    string    `json:"error,omitempty"` // why there is no Envelope
	Err      error     `json:"-"`
}

// kinds of records.
const (
	value        = "value"
	tombstone    = "tombstone"
	keyRecord    = "key record"
	endOfArchive = "end of archive"

	dictionaryRecord = "dictionary record"
)

// errTrailing says that an envelope does not end where it should.
var errTrailing = fmt.Errorf("%w: bytes after the envelope", cms.ErrMalformed)

// errBare says that a null value has no envelope.
var errBare = errors.New(string(pipeline.ReasonBareTombstone))

// Input reads all of r and calls emit for each envelope in it. The first bytes
// tell whether r is a seq file, ndjson, or raw envelopes. A record that is no
// envelope is handed to emit with its error and does not end the reading.
func Input(ctx context.Context, r io.Reader, emit func(*Record) error) error {
	b := bufio.NewReaderSize(r, bufferSize)
	first, err := b.Peek(len(seqMagic))
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return err
	case string(first) == seqMagic:
		return readMessages(ctx, b, format.Seq, emit)
	case bytes.HasPrefix(textfile.TrimMark(first), []byte("{")):
		return readMessages(ctx, b, format.NDJSON, emit)
	}
	return readRaw(b, emit)
}

const (
	seqMagic = "SCXSEQ1\n"

	// bufferSize is as much as has to be looked at without reading it.
	bufferSize = 32 << 10
	readSize   = 1 << 20
)

// readRaw reads one envelope, or a key record and the envelope that it belongs
// to (docs/envelope.md, section 9).
func readRaw(b *bufio.Reader, emit func(*Record) error) error {
	e, err := Read(b)
	if err != nil {
		return emit(addError(&Record{}, err))
	}
	rest, err := b.Peek(1)
	if errors.Is(err, io.EOF) {
		return emit(&Record{Envelope: e})
	}
	if err != nil {
		return err
	}
	if e.Profile != "self-contained" || rest[0] != 0xd0 {
		return emit(addError(&Record{}, errTrailing))
	}
	if err := emit(&Record{Kind: keyRecord, Envelope: e}); err != nil {
		return err
	}
	second, err := Read(b)
	if err == nil {
		if _, more := b.Peek(1); more == nil {
			err = errTrailing
		}
	}
	if err != nil {
		return emit(addError(&Record{Kind: value}, err))
	}
	return emit(&Record{Kind: value, Envelope: second})
}

func addError(r *Record, err error) *Record {
	r.Envelope, r.Err, r.Error = nil, err, err.Error()
	return r
}

// readMessages reads a file of messages. There is no key here, so the end
// records of a seq are believed.
func readMessages(ctx context.Context, r io.Reader, f format.Format, emit func(*Record) error) error {
	w := &walk{emit: emit}
	source, err := file.NewSource(file.SourceOptions{
		Path: file.Stream, Format: f, Stdin: r, Archive: archive.Functions{Front: cms.BeforeRecipients,
			KeepRecord: w.noteRecord},
	})
	if err != nil {
		return err
	}
	return source.Serve(ctx, w.serveLane)
}

// walk goes through the messages of a file.
type walk struct {
	emit   func(*Record) error
	count  int64 // messages emitted
	others []other
}

// other is a record that is no message, and how many messages stand before it.
type other struct {
	after  int64
	record *Record
}

// noteRecord notes a record that is no message.
func (w *walk) noteRecord(_ context.Context, r *archive.Record) error {
	kind, known := recordKinds[r.Type]
	noted := &Record{Kind: kind}
	if known {
		addEnvelope(noted, r.Body)
	} else {
		noted.Kind = fmt.Sprintf("record of type %d", r.Type)
	}
	w.others = append(w.others, other{int64(r.Before), noted})
	return nil
}

var recordKinds = map[byte]string{
	archive.TypeEnd: endOfArchive, archive.TypeKeyRecord: keyRecord, archive.TypeDictionaryRecord: dictionaryRecord,
}

func (w *walk) serveLane(ctx context.Context, lane pipeline.Lane) error {
	for {
		batch, err := lane.Read(ctx, readSize)
		if err != nil {
			if end := w.emitOthers(); end != nil {
				return end
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		err = w.emitBatch(batch)
		if batch.Release != nil {
			batch.Release()
		}
		if err != nil {
			return err
		}
	}
}

func (w *walk) emitBatch(b *pipeline.Batch) error {
	for i := range b.Messages {
		if err := w.emitOthers(); err != nil {
			return err
		}
		m := &b.Messages[i]
		w.count++
		record := &Record{Number: w.count, Kind: value}
		if m.Fault != nil {
			addError(record, m.Fault)
		} else {
			record = newRecord(w.count, m)
		}
		if err := w.emit(record); err != nil {
			return err
		}
	}
	return nil
}

// emitOthers emits the other records that come next.
func (w *walk) emitOthers() error {
	for len(w.others) > 0 && w.others[0].after <= w.count {
		next := w.others[0].record
		w.others = w.others[1:]
		if err := w.emit(next); err != nil {
			return err
		}
	}
	return nil
}

// Message describes a message of a topic or a stream. sealed is its envelope,
// or failed says why there is none.
func Message(m *pipeline.Message, sealed []byte, failed error) *Record {
	r := newRecord(0, m)
	r.Origin = fmt.Sprintf("%s@%d", m.Origin.Place, m.Origin.Offset)
	if failed != nil {
		return addError(r, failed)
	}
	r.Err, r.Error = nil, ""
	return addEnvelope(r, sealed)
}

// newRecord describes one message.
func newRecord(number int64, m *pipeline.Message) *Record {
	r := &Record{Number: number, Kind: value, Subject: string(m.Subject)}
	if m.Key != nil {
		size := len(m.Key)
		r.KeySize = &size
	}
	envelope := m.Value
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, h.Name)
		if m.Value == nil && h.Name == transform.HeaderName {
			r.Kind, envelope = tombstone, h.Value
		}
	}
	if m.Value == nil && r.Kind == value {
		return addError(r, errBare)
	}
	return addEnvelope(r, envelope)
}

// addEnvelope adds a description of the envelope b, behind which nothing
// stands.
func addEnvelope(r *Record, b []byte) *Record {
	var whole cms.Envelope
	if err := cms.Parse(b, &whole); err != nil { // of several faults it finds the first one
		return addError(r, err)
	}
	e, err := Read(bufio.NewReaderSize(bytes.NewReader(b), bufferSize))
	if err == nil && e.Size != int64(len(b)) {
		err = errTrailing
	}
	if err != nil {
		return addError(r, err)
	}
	r.Envelope = e
	return r
}
