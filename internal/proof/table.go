package proof

import "math/bits"

// entry is a record that waits for its counterpart.
//
//	at:     place 15 bits || sealed 1 bit || offset 48 bits
//	term:   the low bits of the term
//	flags:  see below
//	digest: the first bytes of the digest
type entry struct {
	atHigh, atLow uint32
	term          uint32
	flags         uint32
	digest        [16]byte
}

const (
	entrySize = 32 // bytes
	keySize   = 8  // of the hash of a record key, where places are compacted

	maxPlaces = 1<<15 - 1
	maxOffset = 1<<48 - 1
)

// Flags of an entry.
const (
	inUse     = 1 << iota
	broken    // of the plaintext: an envelope that did not open claims it
	sealedBad // of the sealed side: the envelope did not open
	tombstone
)

func newEntry(place uint32, sealed bool, offset int64) entry {
	high := place << 1
	if sealed {
		high |= 1
	}
	return entry{atHigh: high<<16 | uint32(offset>>32), atLow: uint32(offset), flags: inUse}
}

func (e *entry) place() uint32 { return e.atHigh >> 17 }
func (e *entry) sealed() bool  { return e.atHigh>>16&1 != 0 }
func (e *entry) offset() int64 { return int64(e.atHigh&0xffff)<<32 | int64(e.atLow) }

// hash mixes the position: places have offsets in a row.
func (e *entry) hash() uint64 {
	h := (uint64(e.atHigh)<<32 | uint64(e.atLow)) * 0x9e3779b97f4a7c15
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>32
}

// tableShards is how many parts grow by themselves, so that growing takes
// little memory beside.
const tableShards = 256

// table holds entries by position and side.
type table struct {
	shards [tableShards]shard
	keyed  bool // entries have hashes of record keys
	used   int
	slots  int
}

type shard struct {
	entries []entry
	keys    []uint64
	used    int
}

// countBytes returns the memory of the table.
func (t *table) countBytes() int64 {
	size := int64(entrySize)
	if t.keyed {
		size += keySize
	}
	return int64(t.slots) * size
}

func (t *table) shardOf(h uint64) *shard { return &t.shards[h%tableShards] }

func (s *shard) findHome(h uint64) int {
	at, _ := bits.Mul64(h, uint64(len(s.entries)))
	return int(at)
}

// findEntry returns the entry at the position and side of like, or nil. It is
// valid until the table changes.
func (t *table) findEntry(like *entry) (e *entry, key uint64) {
	h := like.hash()
	s := t.shardOf(h)
	at, ok := s.locateEntry(like, h)
	if !ok {
		return nil, 0
	}
	if t.keyed {
		key = s.keys[at]
	}
	return &s.entries[at], key
}

// locateEntry returns where an entry is, or where it would be put.
func (s *shard) locateEntry(like *entry, h uint64) (at int, ok bool) {
	if len(s.entries) == 0 {
		return 0, false
	}
	for at = s.findHome(h); s.entries[at].flags != 0; {
		if e := &s.entries[at]; e.atHigh == like.atHigh && e.atLow == like.atLow {
			return at, true
		}
		if at++; at == len(s.entries) {
			at = 0
		}
	}
	return at, false
}

// putEntry adds an entry that is not there.
func (t *table) putEntry(e *entry, key uint64) {
	h := e.hash()
	s := t.shardOf(h)
	if s.used*5 >= len(s.entries)*4 {
		t.growShard(s)
	}
	at, _ := s.locateEntry(e, h)
	s.entries[at] = *e
	if t.keyed {
		s.keys[at] = key
	}
	s.used++
	t.used++
}

func (t *table) growShard(s *shard) {
	old := *s
	size := max(16, len(old.entries)*3/2)
	t.slots += size - len(old.entries)
	*s = shard{entries: make([]entry, size), used: old.used}
	if t.keyed {
		s.keys = make([]uint64, size)
	}
	for i := range old.entries {
		e := &old.entries[i]
		if e.flags == 0 {
			continue
		}
		at, _ := s.locateEntry(e, e.hash())
		s.entries[at] = *e
		if t.keyed {
			s.keys[at] = old.keys[i]
		}
	}
}

// removeEntry takes out the entry at the position and side of like, which is
// there. The entries behind it move up to where they would have been put
// without it.
func (t *table) removeEntry(like *entry) {
	h := like.hash()
	s := t.shardOf(h)
	hole, _ := s.locateEntry(like, h)
	n := len(s.entries)
	for at := hole; ; {
		if at++; at == n {
			at = 0
		}
		e := &s.entries[at]
		if e.flags == 0 {
			break
		}
		home := s.findHome(e.hash())
		if isBetween(home, hole, at) {
			continue // it must not stand in front of its home
		}
		s.entries[hole] = *e
		if t.keyed {
			s.keys[hole] = s.keys[at]
		}
		hole = at
	}
	s.entries[hole] = entry{}
	s.used--
	t.used--
}

// isBetween tells whether home is behind hole and not behind at, going round.
func isBetween(home, hole, at int) bool {
	if hole < at {
		return hole < home && home <= at
	}
	return hole < home || home <= at
}

// visitEntries calls see with each entry, in no order.
func (t *table) visitEntries(see func(e *entry, key uint64)) {
	for i := range t.shards {
		s := &t.shards[i]
		for j := range s.entries {
			if s.entries[j].flags == 0 {
				continue
			}
			var key uint64
			if t.keyed {
				key = s.keys[j]
			}
			see(&s.entries[j], key)
		}
	}
}

// clearAll empties the table and gives the memory back.
func (t *table) clearAll() { *t = table{keyed: t.keyed} }
