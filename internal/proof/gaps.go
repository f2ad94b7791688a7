package proof

import "sort"

// gaps are the ranges of offsets of a place that have no record, in rising
// order.
type gaps []gap

type gap struct{ first, last int64 }

const gapSize = 16 // bytes

// addRange appends a range that lies behind all others.
func (g *gaps) addRange(first, last int64) {
	if n := len(*g); n > 0 && (*g)[n-1].last == first-1 {
		(*g)[n-1].last = last
		return
	}
	*g = append(*g, gap{first, last})
}

// contains tells whether an offset has no record.
func (g gaps) contains(offset int64) bool {
	i := sort.Search(len(g), func(i int) bool { return g[i].last >= offset })
	return i < len(g) && g[i].first <= offset
}
