package proof

import "fmt"

// A compacted topic keeps the last record of each key. A record is rightly not
// among its envelopes if an envelope of the same key follows. A tombstone may
// vanish too, some time after all that it deleted.

// keyID is a record key of a place.
type keyID struct {
	place uint32
	key   uint64
}

// openKey is a key of which records are missing.
type openKey struct {
	last      int64 // the last record that is missing
	tombstone bool  // and whether that is one
	sealed    int64 // the last envelope of the key; -1: there is none
}

// openKeySize is about how many bytes one takes in a map.
const openKeySize = 64

// NeedsKeys tells, after both sides were read, whether the sealed side has to
// be read once more, for AddKeys: records are missing, and compaction may have
// taken them away.
func (c *Comparer) NeedsKeys() (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.thinned || !c.table.keyed || c.sides[plainSide].waiting == 0 {
		return false, nil
	}
	c.open = map[keyID]*openKey{}
	var err error
	c.table.visitEntries(func(e *entry, key uint64) {
		if e.sealed() || e.flags&broken != 0 || err != nil {
			return
		}
		id := keyID{e.place(), key}
		k := c.open[id]
		if k == nil {
			if int64(len(c.open))*openKeySize > c.o.Memory {
				err = fmt.Errorf("%w: %d keys of records that may be compacted away", ErrMemory, len(c.open))
				return
			}
			k = &openKey{last: -1, sealed: -1}
			c.open[id] = k
		}
		if e.offset() > k.last {
			k.last, k.tombstone = e.offset(), e.flags&tombstone != 0
		}
	})
	return err == nil && len(c.open) > 0, err
}

// AddKeys takes records of the sealed side a second time.
func (c *Comparer) AddKeys(records []Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range records {
		r := &records[i]
		if r.Refused != "" || !r.Placed || !c.storedOf(r.Place).compacted {
			continue // a place that is not compacted takes away nothing
		}
		id := r.At.PlaceID
		if c.o.AnySource {
			id = PlaceID{}
		}
		p := c.byID[id]
		if p == nil {
			continue
		}
		if k := c.open[keyID{p.index, r.Key}]; k != nil {
			k.sealed = max(k.sealed, r.At.Offset)
		}
	}
}

// isSuperseded tells whether compaction has rightly taken a record away.
func (c *Comparer) isSuperseded(e *entry, key uint64) bool {
	k := c.open[keyID{e.place(), key}]
	return k != nil && (k.sealed > e.offset() || k.tombstone && k.sealed < 0)
}
