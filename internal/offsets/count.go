package offsets

import (
	"bytes"
	"context"
	"fmt"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// countCopies adds the offsets in the decrypted copies.
func countCopies(ctx context.Context, rows []Row, sealed []Sealed, o Options) error {
	copies := make(map[string]*Sealed)
	for i := range sealed {
		if sealed[i].Copy != nil {
			copies[sealed[i].Place()] = &sealed[i]
		}
	}
	for i := range rows {
		q := copies[rows[i].Via]
		if q == nil || !rows[i].State.IsUsable() {
			continue
		}
		rows[i].To = q.Copy.Place()
		if err := countCopy(ctx, &rows[i], q, o); err != nil {
			return fmt.Errorf("%s: %w", rows[i].To, err)
		}
	}
	return nil
}

// countCopy finds the message of a row in the decrypted copy. Decrypted
// messages have no positions, but their order is that of the envelopes, so that
// as many come before it. This is so only if neither log has deleted any and no
// envelope came twice, since a copy leaves duplicates out. The key of the
// message must agree.
func countCopy(ctx context.Context, row *Row, q *Sealed, o Options) error {
	refuse := func(format string, args ...any) error {
		row.State, row.Note = NotCounted, fmt.Sprintf(format, args...)+"; its readers can begin by time"
		return nil
	}
	first, end := q.Bounds()
	copied, copyEnd := q.Copy.Bounds()
	if first > q.Base || copied > q.Base {
		return refuse("%s or its copy has deleted messages", row.Via)
	}
	count, rising, highest := int64(0), true, make(map[sourceKey]int64)
	err := scanLog(ctx, q.Log, first, func(m *pipeline.Message) (bool, error) {
		if m.Origin.Offset >= row.Offset {
			return false, nil
		}
		claimed, ok := o.Claim(m)
		key := sourceKey{claimed.Source, claimed.Partition}
		before, known := highest[key]
		if !ok || known && int64(claimed.Offset) <= before {
			rising = false
		}
		highest[key] = int64(claimed.Offset)
		count++
		return rising, nil
	})
	switch {
	case err != nil:
		return err
	case !rising:
		return refuse("%s holds duplicates, or messages that are no envelopes", row.Via)
	}
	var wanted *pipeline.Message
	if row.Offset < end {
		m, ok, err := peekAt(ctx, q.Log, row.Offset)
		if err != nil {
			return err
		}
		if ok {
			wanted = &m
		}
	}
	passed, agrees := int64(0), true
	err = scanLog(ctx, q.Copy, copied, func(m *pipeline.Message) (bool, error) {
		if passed < count {
			passed++
			return true, nil
		}
		row.ToOffset = m.Origin.Offset
		agrees = wanted == nil || bytes.Equal(m.Key, wanted.Key)
		return false, nil
	})
	switch {
	case err != nil:
		return err
	case passed < count:
		row.State, row.Note = NotYet, "the copy is not decrypted as far as its readers are"
	case !agrees:
		row.ToOffset = -1
		return refuse("%d messages come before it, and the next one of the copy has another key", count)
	case row.ToOffset < 0:
		row.ToOffset = copyEnd
	}
	return nil
}
