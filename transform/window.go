package transform

import "sync/atomic"

const (
	// windowWidth is how many offsets a window spans.
	windowWidth = 1 << 16
	// maxWindows is how many windows the Gates of a route have; one takes 256
	// KiB.
	maxWindows = 32
)

// Windows bounds the memory of the windows of several Gates. It is safe for
// concurrent use.
type Windows struct{ left atomic.Int64 }

// NewWindows returns room for 32 windows.
func NewWindows() *Windows {
	w := &Windows{}
	w.left.Store(maxWindows)
	return w
}

// take tells whether there is room for another window. Messages that nobody
// vouches for have half of the room: their places are a stranger's to choose.
func (w *Windows) take(vouched bool) bool {
	least := int64(0)
	if !vouched {
		least = maxWindows / 2
	}
	if w.left.Add(-1) >= least {
		return true
	}
	w.left.Add(1)
	return false
}

// windowPlace is a place as messages with subjects, or without, come from it.
// Messages that are vouched for have windows of their own.
type windowPlace struct {
	placeID
	subjects bool
	vouched  bool
}

// window remembers which of the last windowWidth offsets, up to the highest
// one, came, and with which tag: one stored message may have been sealed under
// two subjects, by two routes, and both are genuine. Of one offset it remembers
// the last tag only, so at worst a duplicate passes.
type window struct {
	highest uint64
	tags    [windowWidth]uint32 // 0: did not come
}

// contains tells whether an offset came with a tag, which is not 0. Of offsets
// too old to know it says no.
func (w *window) contains(offset uint64, tag uint32) bool {
	return offset <= w.highest && w.highest-offset < windowWidth && w.tags[offset%windowWidth] == tag
}

// mark notes an offset.
func (w *window) mark(offset uint64, tag uint32) {
	switch {
	case offset > w.highest && offset-w.highest >= windowWidth:
		clear(w.tags[:])
		w.highest = offset
	case offset > w.highest:
		w.advance(offset)
	case w.highest-offset >= windowWidth:
		return
	}
	w.tags[offset%windowWidth] = tag
}

// advance empties the slots that change hands on the way up to a new highest
// offset, which is less than windowWidth ahead.
func (w *window) advance(to uint64) {
	from, end := (w.highest+1)%windowWidth, to%windowWidth+1
	if from < end {
		clear(w.tags[from:end])
	} else {
		clear(w.tags[from:])
		clear(w.tags[:end])
	}
	w.highest = to
}
