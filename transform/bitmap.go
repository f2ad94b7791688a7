package transform

// bitmapWidth is how many offsets a bitmap spans.
const bitmapWidth = 1 << 16

// bitmap remembers which of the last bitmapWidth offsets were seen: up to the highest one, which is always marked.
type bitmap struct {
	highest uint64
	any     bool // something is marked
	bits    [bitmapWidth / 64]uint64
}

// mark notes an offset and says whether it was noted before. Of offsets too old to know it says no.
func (b *bitmap) mark(offset uint64) (seen bool) {
	switch {
	case !b.any || offset > b.highest && offset-b.highest >= bitmapWidth:
		clear(b.bits[:])
		b.highest, b.any = offset, true
	case offset > b.highest:
		for b.highest != offset { // the slots that change hands
			b.highest++
			b.bits[b.highest%bitmapWidth/64] &^= 1 << (b.highest % 64)
		}
	case b.highest-offset >= bitmapWidth:
		return false
	}
	word, bit := &b.bits[offset%bitmapWidth/64], uint64(1)<<(offset%64)
	seen = *word&bit != 0
	*word |= bit
	return seen
}
