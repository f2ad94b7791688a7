package offsets

import (
	"context"
	"fmt"
	"hash/maphash"

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
// as many come before it. This is so only if no message is gone from the middle
// of either log: the keys and times of all that are counted have to agree, and
// so have the messages around it that have the same.
func countCopy(ctx context.Context, row *Row, q *Sealed, o Options) error {
	refuse := func(format string, args ...any) error {
		row.State, row.ToOffset = NotCounted, -1
		row.Note = fmt.Sprintf(format, args...) + "; its readers can begin by time"
		return nil
	}
	first, _ := q.Bounds()
	copied, copyEnd := q.Copy.Bounds()
	if q.Compacted || first > q.Base || copied > q.Base {
		return refuse("%s or its copy has deleted messages, or deletes them out of its middle", row.Via)
	}
	seed := maphash.MakeSeed()
	want, rising, err := countEnvelopes(ctx, row, q, o, seed)
	switch {
	case err != nil:
		return err
	case !rising:
		return refuse("%s holds duplicates, or messages that are no envelopes", row.Via)
	}
	got := tally{seed: seed}
	err = scanLog(ctx, q.Copy, copied, func(m *pipeline.Message) (bool, error) {
		if got.count < want.count {
			got.addBefore(m)
			return true, nil
		}
		if row.ToOffset < 0 {
			row.ToOffset = m.Origin.Offset
		}
		// Without a message to find, the next one is behind the envelopes.
		return want.alike > 0 && got.addBehind(m, want.mark), nil
	})
	switch {
	case err != nil:
		return err
	case got.count < want.count, got.alike < want.alike && !got.ended:
		row.State, row.Note, row.ToOffset = NotYet, "the copy is not decrypted as far as its readers are", -1
	case got.sum != want.sum:
		return refuse("the %d messages before it have other keys or times in the copy", want.count)
	case got.alike < want.alike, got.alike > want.alike && want.ended:
		return refuse("%d messages come before it, and the next ones of the copy have other keys or times", want.count)
	case row.ToOffset < 0:
		row.ToOffset = copyEnd
	}
	return nil
}

// countEnvelopes counts those before the offset of a row. It is false if one of
// them is a duplicate, which a copy leaves out, or no envelope.
func countEnvelopes(ctx context.Context, row *Row, q *Sealed, o Options, seed maphash.Seed) (tally, bool, error) {
	want, rising, highest := tally{seed: seed}, true, make(map[sourceKey]int64)
	first, _ := q.Bounds()
	err := scanLog(ctx, q.Log, first, func(m *pipeline.Message) (bool, error) {
		claimed, ok := o.Claim(m)
		key := sourceKey{claimed.Source, claimed.Partition}
		before, known := highest[key]
		rises := ok && (!known || int64(claimed.Offset) > before)
		if rises {
			highest[key] = int64(claimed.Offset)
		}
		switch {
		case m.Origin.Offset < row.Offset:
			rising = rises
			want.addBefore(m)
			return rising, nil
		case !rises:
			return true, nil
		case want.alike == 0:
			want.mark = want.markOf(m)
		}
		return want.addBehind(m, want.mark), nil
	})
	return want, rising, err
}

// tally counts the messages of a log before one that is looked for, and those
// from there on that cannot be told from it.
type tally struct {
	seed  maphash.Seed
	count int64
	sum   uint64 // of the marks of those that are counted, in their order
	mark  uint64 // that of the message that is looked for
	alike int64  // messages in a row from there on with its mark
	ended bool   // another one comes behind these
}

// markOf hashes the parts of a message that an envelope and its copy have in
// common. Kafka keeps times in milliseconds.
func (t *tally) markOf(m *pipeline.Message) uint64 {
	return maphash.Comparable(t.seed, [2]uint64{maphash.Bytes(t.seed, m.Key), uint64(m.Time.UnixMilli())})
}

func (t *tally) addBefore(m *pipeline.Message) {
	t.count++
	t.sum = maphash.Comparable(t.seed, [2]uint64{t.sum, t.markOf(m)})
}

// addBehind tells whether the next message may be alike too.
func (t *tally) addBehind(m *pipeline.Message, mark uint64) bool {
	if t.ended = t.markOf(m) != mark; !t.ended {
		t.alike++
	}
	return !t.ended
}
