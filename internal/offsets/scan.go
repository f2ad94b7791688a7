package offsets

import (
	"cmp"
	"context"
	"fmt"
	"strings"

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
	unread  []int64 // lowest position of those that are to be read, below zero if there is none
	options Options
}

// translateMixed translates into logs in which the envelopes of several
// partitions are mixed. Readers of such a log begin at its first envelope that
// they have yet to read, and read some behind it again.
func translateMixed(ctx context.Context, plain []Plain, sealed []Sealed, o Options) ([]Row, error) {
	t := &mixed{plain: plain, byKey: make(map[sourceKey]int), options: o}
	t.highest, t.unread = make([]int64, len(plain)), make([]int64, len(plain))
	unknown := 0
	for i := range plain {
		t.byKey[sourceKey{plain[i].Source, plain[i].Number}] = i
		t.highest[i], t.unread[i] = -1, -1
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

// scanMixed looks at all envelopes of a log. Those of a partition in which the
// readers have no position are all unread: to read some again does no harm.
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
		unread := at >= t.plain[n].Next
		if unread && (t.unread[n] < 0 || at < t.unread[n]) {
			t.unread[n] = at
		}
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
	state, notes := State(""), []string(nil)
	for i := range t.plain {
		judged, note, err := t.judgePlain(ctx, i)
		if err != nil {
			return err
		}
		if note != "" {
			notes = append(notes, note)
		}
		state = cmp.Or(state, judged)
	}
	for i := range rows {
		rows[i].Note = strings.Join(notes, "; ")
		if state != "" {
			rows[i].State, rows[i].Offset = state, -1
		}
	}
	return nil
}

// judgePlain judges one partition. The state is "" if its envelopes are there.
func (t *mixed) judgePlain(ctx context.Context, i int) (state State, note string, err error) {
	p := &t.plain[i]
	_, end := p.Bounds()
	switch {
	case p.Next < 0 && t.unread[i] >= 0:
		return "", "readers have no position in " + p.Place() + ", and all its envelopes count as unread", nil
	case p.Next < 0:
		return "", "readers have no position in " + p.Place(), nil
	case p.Next > end:
		return BeyondEnd, "the position in " + p.Place() + " lies behind its end", nil
	case t.unread[i] < 0:
		reached, err := isReached(ctx, p, t.highest[i])
		if err == nil && !reached {
			return NotYet, p.Place() + " is not sealed as far as its readers are", nil
		}
		return "", "", err
	}
	note, err = findMissing(ctx, p, p.Next, t.unread[i])
	if note != "" && !t.options.SkipMissing {
		state = Missing
	}
	return state, note, err
}
