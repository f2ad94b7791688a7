package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// In the format lines each line is the value of a message, without its line
// feed: a carriage return before that belongs to the value, and an empty line
// is an empty value. Nothing else of a message is kept, so envelopes are not
// stored in this way.

// valueEncoder writes the values of messages as lines.
type valueEncoder struct {
	lineOutput
	limits limits
}

// Append implements Encoder.
func (e *valueEncoder) Append(dst []byte, m *pipeline.Message) ([]byte, error) {
	if err := e.limits.checkValue(m, len(m.Value)); err != nil {
		return dst, err
	}
	return append(append(dst, m.Value...), '\n'), nil
}

var (
	errLineNull = errors.New("refused: a line cannot hold a null value")
	errLineFeed = errors.New("refused: a line cannot hold a value with a line feed")
)

// checkValue tells whether the value of m can be a line.
func (l limits) checkValue(m *pipeline.Message, valueSize int) error {
	switch {
	case m.Value == nil:
		return &pipeline.Reject{Reason: pipeline.ReasonRefused, Err: errLineNull}
	case len(m.Value) == valueSize && bytes.IndexByte(m.Value, '\n') >= 0:
		return &pipeline.Reject{Reason: pipeline.ReasonRefused, Err: errLineFeed}
	case valueSize+1 > l.record:
		return rejectTooLarge("a line", l.record)
	}
	return nil
}

// valueDecoder reads lines as values. A last line that was cut off cannot be
// told from a whole one. When the file has grown, its line feed may follow, and
// nothing else: the line would have gone on behind the value that was read.
type valueDecoder struct {
	lineSplitter
	key  []string // the path of the record key in the JSON of a value; nil for none
	open bool     // the last line came without its line feed
}

// Next implements Decoder.
func (d *valueDecoder) Next(b []byte, eof bool) (int, error) {
	switch {
	case !d.open || len(b) == 0:
		return d.lineSplitter.Next(b, eof)
	case b[0] != '\n':
		return 0, fmt.Errorf("%w: the line had no line feed when it was read, and has gone on", ErrMalformed)
	}
	return 1, nil
}

// AppendState implements Resumable.
func (d *valueDecoder) AppendState(dst []byte) []byte {
	dst = d.lineSplitter.AppendState(dst)
	if d.open {
		dst = append(dst, openLine)
	}
	return dst
}

// openLine is the last byte of the state behind a line without its line feed.
const openLine = 0xFF

// Restore implements Resumable.
func (d *valueDecoder) Restore(state []byte) error {
	number := bytes.TrimSuffix(state, []byte{openLine}) // no number ends in this byte
	d.open = len(number) < len(state)
	return d.lineSplitter.Restore(number)
}

func (d *valueDecoder) decodeInto(_ context.Context, record []byte, b *Batch) (bool, error) {
	if d.open { // it is the line feed that was missing
		d.open = false
		return false, nil
	}
	d.open = !d.piece && record[len(record)-1] != '\n'
	line, err := d.takeLine(record)
	if err != nil || line == nil {
		return false, err
	}
	value := bytes.TrimSuffix(line, []byte{'\n'})
	var key []byte
	if d.key != nil {
		if key, err = findKey(value, d.key); err != nil {
			return false, rejectRecord(ErrMalformed, fmt.Errorf("line %d: %w", d.number, err))
		}
	}
	m := b.addMessage()
	m.Key, m.Value = key, value[:len(value):len(value)]
	return true, nil
}
