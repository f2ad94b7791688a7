package transform

// bitmapWidth is how many offsets a bitmap spans.
const bitmapWidth = 1 << 16

// bitmap remembers which of the last bitmapWidth offsets, up to the highest one, were seen, where there are no subjects.
type bitmap struct {
	highest uint64
	bits    [bitmapWidth / 64]uint64
}

// mark notes an offset and says whether it was noted before. Of offsets too old to know it says no.
func (b *bitmap) mark(offset uint64, _ uint32) (seen bool) {
	switch {
	case offset > b.highest && offset-b.highest >= bitmapWidth:
		clear(b.bits[:])
		b.highest = offset
	case offset > b.highest:
		b.advance(offset)
	case b.highest-offset >= bitmapWidth:
		return false
	}
	word, bit := &b.bits[offset%bitmapWidth/64], uint64(1)<<(offset%64)
	seen = *word&bit != 0
	*word |= bit
	return seen
}

// advance empties the slots that change hands on the way up to a new highest offset, which is less than bitmapWidth ahead.
func (b *bitmap) advance(to uint64) {
	for b.highest != to {
		b.highest++
		word := &b.bits[b.highest%bitmapWidth/64]
		if b.highest%64 == 0 && to-b.highest >= 63 { // all of them
			*word = 0
			b.highest += 63
			continue
		}
		*word &^= 1 << (b.highest % 64)
	}
}
