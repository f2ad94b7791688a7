package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// lineDecoder reads ndjson.
type lineDecoder struct {
	lines   lineSplitter
	headers int // of one message, at most
}

// Next implements Decoder.
func (d *lineDecoder) Next(b []byte, eof bool) (int, error) { return d.lines.nextLine(b, eof) }

// InPieces implements Decoder.
func (d *lineDecoder) InPieces() bool { return d.lines.piece }

func (d *lineDecoder) decodeInto(_ context.Context, record []byte, b *Batch) (bool, error) {
	line, err := d.lines.takeLine(record)
	if err != nil || len(bytes.TrimSpace(line)) == 0 {
		return false, err
	}
	m := b.addMessage()
	p := lineParser{b: line, batch: b, max: d.headers}
	if err = p.parseMessage(m); err == nil {
		return true, nil
	}
	b.dropMessage()
	// A last line without its end may still be written to.
	reason := reasonOf(err)
	if last := record[len(record)-1]; last != '\n' && errors.Is(reason, ErrMalformed) &&
		(last != '}' || p.i == len(line)) {
		return false, fmt.Errorf("%w: the last line is not whole", ErrTruncated)
	}
	if foreign, ok := errors.AsType[*ForeignError](err); ok && d.lines.number > 1 {
		err = foreign.err
	}
	return false, rejectRecord(reason, fmt.Errorf("line %d: %w", d.lines.number, err))
}

// Finish implements Decoder.
func (*lineDecoder) Finish() error { return nil }

// Locate implements Decoder.
func (d *lineDecoder) Locate(place string, _ int64) string {
	return fmt.Sprintf("%s:%d", place, d.lines.number)
}

// AppendState implements Resumable.
func (d *lineDecoder) AppendState(dst []byte) []byte { return d.lines.appendState(dst) }

// Restore implements Resumable.
func (d *lineDecoder) Restore(state []byte) error { return d.lines.restoreState(state) }

// CanResume implements Decoder.
func (*lineDecoder) CanResume() bool { return true }
