package offsets

import (
	"context"
	"fmt"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// scanLog shows the messages of a log from an offset to its end.
func scanLog(ctx context.Context, log Log, from int64, see func(m *pipeline.Message) (bool, error)) error {
	if many, ok := log.(scanner); ok {
		return many.Scan(ctx, from, see)
	}
	for {
		m, ok, err := peekAt(ctx, log, from)
		if err != nil || !ok {
			return err
		}
		if more, err := see(&m); err != nil || !more {
			return err
		}
		from = m.Origin.Offset + 1
	}
}

// scanPair finds the first envelope at or behind the position of the readers
// by looking at all before it. Every later envelope that they have yet to read
// stands behind it, in whichever order.
func scanPair(ctx context.Context, p *Plain, q *Sealed, o Options) (hit, error) {
	found := hit{offset: -1, last: -1, scanned: true}
	first, _ := q.Bounds()
	err := scanLog(ctx, q.Log, first, func(m *pipeline.Message) (bool, error) {
		claimed, ok := claimOf(m, p, o)
		switch {
		case !ok:
		case claimed >= p.Next:
			found.offset, found.claimed, found.time = m.Origin.Offset, claimed, m.Time
			return false, nil
		default:
			found.last = max(found.last, claimed)
		}
		return true, nil
	})
	return found, err
}

// sourceKey names a log of plaintext as envelopes do.
type sourceKey struct {
	source [5]byte
	number uint16
}

// mixed is a translation over logs that hold envelopes of several partitions.
type mixed struct {
	plain   []Plain
	byKey   map[sourceKey]int
	highest []int64 // position that is claimed, by index of plain
	options Options
}

// translateMixed translates into logs in which the envelopes of several
// partitions are mixed. Readers of such a log begin at its first envelope that
// they have yet to read, and read some behind it again.
func translateMixed(ctx context.Context, plain []Plain, sealed []Sealed, o Options) ([]Row, error) {
	t := &mixed{plain: plain, byKey: make(map[sourceKey]int), highest: make([]int64, len(plain)), options: o}
	unknown := 0
	for i := range plain {
		t.byKey[sourceKey{plain[i].Source, plain[i].Number}] = i
		t.highest[i] = -1
		if plain[i].Next < 0 {
			unknown++
		}
	}
	if unknown == len(plain) {
		return noPositions(plain), nil
	}
	var rows []Row
	for i := range sealed {
		row, err := t.scanMixed(ctx, &sealed[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", sealed[i].Place(), err)
		}
		rows = append(rows, row)
	}
	return rows, t.judgeAll(ctx, rows)
}

func noPositions(plain []Plain) []Row {
	var rows []Row
	for i := range plain {
		row := newRow(&plain[i])
		row.State = NoPosition
		rows = append(rows, row)
	}
	return rows
}

// scanMixed looks at all envelopes of a log.
func (t *mixed) scanMixed(ctx context.Context, q *Sealed) (Row, error) {
	first, end := q.Bounds()
	row := Row{
		Via: q.Place(), Position: -1, First: -1, End: -1, Offset: end, ToOffset: -1, Claimed: -1,
		State: AtEnd, Scanned: true,
	}
	return row, scanLog(ctx, q.Log, first, func(m *pipeline.Message) (bool, error) {
		claimed, ok := t.options.Claim(m)
		if !ok {
			return true, nil
		}
		n, ok := t.byKey[sourceKey{claimed.Source, claimed.Partition}]
		if !ok {
			return true, nil
		}
		at := int64(claimed.Offset)
		t.highest[n] = max(t.highest[n], at)
		unread := t.plain[n].Next >= 0 && at >= t.plain[n].Next
		switch {
		case unread && row.State == AtEnd:
			moment := m.Time
			row.State, row.Offset, row.Claimed, row.Time = Found, m.Origin.Offset, at, &moment
		case !unread && row.State == Found:
			row.Again++
		}
		return true, nil
	})
}

// judgeAll finds out whether the envelopes reach as far as the readers, in all
// partitions: a row depends on all of them.
func (t *mixed) judgeAll(ctx context.Context, rows []Row) error {
	state, note := State(""), ""
	for i := range t.plain {
		p := &t.plain[i]
		_, end := p.Bounds()
		switch {
		case p.Next < 0:
			note = "readers have no position in " + p.Place() + ", and no envelope of it was looked for"
			continue
		case p.Next > end:
			state, note = BeyondEnd, "the position in "+p.Place()+" lies behind its end"
		default:
			reached, err := isReached(ctx, p, t.highest[i])
			if err != nil {
				return err
			}
			if !reached {
				state, note = NotYet, p.Place()+" is not sealed as far as its readers are"
			}
		}
	}
	for i := range rows {
		rows[i].Note = note
		if state != "" {
			rows[i].State, rows[i].Offset = state, -1
		}
	}
	return nil
}
