package transform

// recent remembers which of the last bitmapWidth offsets, up to the highest one, were seen, and under which subject: one stored
// message may have been sealed under two, by two routes, and both are genuine. Of one offset it remembers the last subject only, so at
// worst a duplicate passes.
type recent struct {
	highest uint64
	tags    [bitmapWidth]uint32 // of the subject; 0: not seen
}

// mark notes an offset and says whether it was noted before with this tag, which is not 0. Of offsets too old to know it says no.
func (r *recent) mark(offset uint64, tag uint32) (seen bool) {
	switch {
	case offset > r.highest && offset-r.highest >= bitmapWidth:
		clear(r.tags[:])
		r.highest = offset
	case offset > r.highest:
		r.advance(offset)
	case r.highest-offset >= bitmapWidth:
		return false
	}
	slot := &r.tags[offset%bitmapWidth]
	seen = *slot == tag
	*slot = tag
	return seen
}

// advance empties the slots that change hands on the way up to a new highest offset, which is less than bitmapWidth ahead.
func (r *recent) advance(to uint64) {
	from, end := (r.highest+1)%bitmapWidth, to%bitmapWidth+1
	if from < end {
		clear(r.tags[from:end])
	} else {
		clear(r.tags[from:])
		clear(r.tags[:end])
	}
	r.highest = to
}
