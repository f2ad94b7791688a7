package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// lineDecoder reads ndjson.
type lineDecoder struct {
	lineSplitter
	headers int // of one message, at most
}

func (d *lineDecoder) decodeInto(_ context.Context, record []byte, b *Batch) (bool, error) {
	line, err := d.takeLine(record)
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
	if foreign, ok := errors.AsType[*ForeignError](err); ok && d.number > 1 {
		err = foreign.err
	}
	return false, rejectRecord(reason, fmt.Errorf("line %d: %w", d.number, err))
}
