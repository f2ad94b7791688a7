package proof

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestDeletedMeanwhile: envelopes of records that the plain side deleted before
// it could be read cannot be verified, in the middle and at the end, whichever
// side is ahead and whenever that is found out. Gaps behind them stay gaps.
func TestDeletedMeanwhile(t *testing.T) {
	id := PlaceID{testSource, 0}
	for name, deleted := range map[string]struct {
		from, to int // indices of records
		early    bool
	}{"in the middle": {20, 60, true}, "found out late": {20, 60, false}, "at the end": {70, 100, false}} {
		for _, sealedFirst := range []bool{true, false} {
			w := newWorld(rand.New(rand.NewPCG(8, 8)), 1, 100)
			below, end := w.plain[deleted.to-1].Offset+1, w.plain[99].Offset+1
			w.plain = slices.Delete(w.plain, deleted.from, deleted.to)
			want, extra := int64(deleted.to-deleted.from), int64(1)
			w.plain = slices.Delete(w.plain, 40, 41) // this one was never there
			if name == "at the end" {
				want, extra = want+1, 0 // it is among the deleted ones
			}
			c := New(Options{IsOwn: isTestSource})
			must(t, c.NamePlain(id, "plain/0", end, false))
			if deleted.early {
				must(t, c.NoteDeleted(id, below))
			}
			sides := []func(context.Context, []Record) error{c.AddPlain, c.AddSealed}
			records := [][]Record{w.plain, w.sealed}
			if sealedFirst {
				slices.Reverse(sides)
				slices.Reverse(records)
			}
			for i, add := range sides {
				must(t, add(t.Context(), records[i]))
			}
			must(t, c.NoteDeleted(id, below))
			c.FinishPass()
			n := c.Report().Counts
			if n.Unverifiable != want || n.Extra != extra || n.Duplicates+n.Missing != 0 {
				t.Errorf("%s, sealed side first %v: %+v", name, sealedFirst, n)
			}
		}
	}
}

// TestDuplicateOfDeleted: a second envelope of a record that was read is a
// duplicate, also when the record has been deleted since.
func TestDuplicateOfDeleted(t *testing.T) {
	id := PlaceID{testSource, 0}
	w := newWorld(rand.New(rand.NewPCG(9, 9)), 1, 100)
	end := w.plain[99].Offset + 1
	sealed := append(slices.Clone(w.sealed), w.sealed[10])
	below := w.plain[60].Offset
	c := New(Options{IsOwn: isTestSource})
	must(t, c.NamePlain(id, "plain/0", end, false))
	must(t, c.AddPlain(t.Context(), slices.Delete(w.plain, 20, 60)))
	must(t, c.NoteDeleted(id, below))
	must(t, c.AddSealed(t.Context(), sealed))
	c.FinishPass()
	if n := c.Report().Counts; n.Duplicates != 1 || n.Unverifiable != 40 || n.Extra != 0 {
		t.Errorf("%+v", n)
	}
}
