package offsets

import (
	"context"
	"fmt"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// judgeFound finds out whether the message that the readers read next is the
// one that was found, or is missing among the envelopes.
func judgeFound(ctx context.Context, row Row, p *Plain, o Options) (Row, error) {
	if row.Claimed >= row.End {
		row.State, row.Offset = BeyondEnd, -1
		row.Note = fmt.Sprintf("an envelope claims position %d, and the end is %d: was the log cut or made anew?",
			row.Claimed, row.End)
		return row, nil
	}
	if row.First > row.Position {
		row.Note = "the plaintext at the position has been deleted; envelopes of it count"
	}
	note, err := findMissing(ctx, p, row.Position, row.Claimed)
	if err != nil || note == "" {
		return row, err
	}
	row.Note = note
	if !o.SkipMissing {
		row.State = Missing
	}
	return row, nil
}

// findMissing returns a note if a message of the plaintext is there at or
// behind a position, and before the first envelope that is. Compaction takes
// messages out of the middle.
func findMissing(ctx context.Context, p *Plain, position, claimed int64) (string, error) {
	m, ok, err := peekAt(ctx, p.Log, position)
	if err != nil || !ok || m.Origin.Offset >= claimed || p.Compacted {
		return "", err
	}
	return fmt.Sprintf("%s@%d is not among the envelopes, which go on at %d: it was set aside, or deleted there",
		p.Place(), m.Origin.Offset, claimed), nil
}

// judgeEnd tells whether the envelopes end where the readers stand, or have yet
// to come. last is the highest position that is claimed.
func judgeEnd(ctx context.Context, row Row, p *Plain, q *Sealed, last int64) (Row, error) {
	reached, err := isReached(ctx, p, last)
	if err != nil {
		return row, err
	}
	if !reached {
		row.State = NotYet
		row.Note = fmt.Sprintf("the envelopes end at position %d; wait until the encryptor has caught up", last)
		return row, nil
	}
	_, row.Offset = q.Bounds()
	row.State = AtEnd
	return row, nil
}

// isReached tells whether everything before the position of the readers is
// sealed: the encryptor says so, or the last message before it is among the
// envelopes, or there is no such message.
func isReached(ctx context.Context, p *Plain, last int64) (bool, error) {
	if p.SealedTo >= p.Next || last+1 >= p.Next {
		return true, nil
	}
	before, ok, err := findLastBefore(ctx, p.Log, p.Next)
	return err == nil && (!ok || before <= last), err
}

// longestLook is how far a log is searched back for its last message before an
// offset, in offsets: transactions leave marks that are no messages.
const longestLook = 1 << 20

// findLastBefore returns the offset of the last message before an offset. It is
// false if there is none; if the look ended too early it returns the offset
// where it did, which no envelope claims to have reached.
func findLastBefore(ctx context.Context, log Log, before int64) (last int64, ok bool, err error) {
	first, _ := log.Bounds()
	for step, end := int64(16), before; end > first; step *= 4 {
		from := max(first, end-step)
		err := scanLog(ctx, log, from, func(m *pipeline.Message) (bool, error) {
			if m.Origin.Offset < end {
				last, ok = m.Origin.Offset, true
			}
			return m.Origin.Offset < end, nil
		})
		switch {
		case err != nil || ok:
			return last, ok, err
		case before-from > longestLook && from > first:
			return from, true, nil
		}
		end = from
	}
	return 0, false, nil
}
