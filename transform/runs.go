package transform

import (
	"cmp"
	"slices"
)

// risingMask is set in the first byte of a placeID where terms rise.
const risingMask = 0x80

// placeID is a sealed place as the state orders them, as a number of 8 bytes:
// mask || source 5 || partition 2.
type placeID uint64

func (p placeID) isRising() bool { return p>>56 == risingMask }

// runSize is how many bytes of state a run takes.
func (p placeID) runSize() int {
	if p.isRising() {
		return risingRun
	}
	return fixedRun
}

// run is a stretch of offsets that have come: first to last, of messages with
// terms from low to high. Where terms do not rise the two are equal.
type run struct{ first, last, low, high uint64 }

// compareRuns is the order of the state: by last offset, term and first offset.
func compareRuns(a, b run) int {
	return cmp.Or(cmp.Compare(a.last, b.last), cmp.Compare(a.low, b.low), cmp.Compare(a.high, b.high),
		cmp.Compare(a.first, b.first))
}

// Sizes of the state in bytes.
const (
	placeSize  = 8
	fixedRun   = 17
	risingRun  = 22
	runsOfHead = 127
)

// placeRuns are the runs of one place, in the order of the state.
type placeRuns struct {
	id   placeID
	runs []run
	high uint64 // the highest term
}

// size is how many bytes of state the place takes.
func (p *placeRuns) size() int {
	return (len(p.runs)+runsOfHead-1)/runsOfHead*placeSize + len(p.runs)*p.id.runSize()
}

// verdict is the finding about one message.
type verdict int

const (
	isNew       verdict = iota
	isGap               // new, and messages between it and the last are missing
	isReordered         // not known, and older than another one
	isDuplicate         // known
)

// judge says what a message is to the runs. first is the first offset that it
// covers, reach the offset of the message before it, if that is known.
func (p *placeRuns) judge(offset, term, reach uint64, known bool) verdict {
	if len(p.runs) == 0 {
		return isNew
	}
	top := &p.runs[len(p.runs)-1]
	if offset > top.last && known && reach == top.last { // the usual case
		return isNew
	}
	reached := false
	for i := range p.runs {
		r := &p.runs[i]
		if r.first <= offset && offset <= r.last && r.low <= term && term <= r.high {
			return isDuplicate
		}
		reached = reached || known && r.first <= reach && reach <= r.last
	}
	switch {
	case offset <= top.last && term <= p.high:
		return isReordered
	case reached:
		return isNew
	}
	return isGap
}

// extend adds a message that stands right behind the last run, which is the
// usual case: it is new. It reports false, and does nothing, for any other.
func (p *placeRuns) extend(offset, distance, term uint64) bool {
	n := len(p.runs)
	if n == 0 {
		return false
	}
	top := &p.runs[n-1]
	if top.last+distance != offset || distance == 0 || top.high != term && (!p.id.isRising() || top.high > term) {
		return false
	}
	top.last, top.high = offset, term
	if term > p.high {
		p.high = term
	}
	return true
}

// note adds a message that covers the offsets from first to last. It reports
// false if there is a run more than before.
func (p *placeRuns) note(first, last, term uint64) (merged bool) {
	n := run{first: first, last: last, low: term, high: term}
	before := p.findBest(func(r *run) bool { return r.last+1 == n.first && p.fits(r.high, n.low) })
	if before >= 0 {
		r := p.runs[before]
		n.first, n.low = r.first, r.low
		p.runs = slices.Delete(p.runs, before, before+1)
	}
	behind := p.findBest(func(r *run) bool { return n.last+1 == r.first && p.fits(n.high, r.low) })
	if behind >= 0 {
		r := p.runs[behind]
		n.last, n.high = r.last, r.high
		p.runs = slices.Delete(p.runs, behind, behind+1)
	}
	at, there := slices.BinarySearchFunc(p.runs, n, compareRuns)
	if !there {
		p.runs = slices.Insert(p.runs, at, n)
	}
	p.high = max(p.high, n.high)
	return before >= 0 || behind >= 0 || there
}

// fits tells whether a run that begins with one term may stand behind one that
// ends with another.
func (p *placeRuns) fits(ends, begins uint64) bool {
	return ends == begins || p.id.isRising() && ends < begins
}

// findBest returns the index of the run of the highest term for which is says
// yes, or -1.
func (p *placeRuns) findBest(is func(r *run) bool) int {
	best := -1
	for i := range p.runs {
		if is(&p.runs[i]) && (best < 0 || p.runs[i].high >= p.runs[best].high) {
			best = i
		}
	}
	return best
}

// forgetLowest drops the run with the lowest end.
func (p *placeRuns) forgetLowest() {
	p.runs = slices.Delete(p.runs, 0, 1)
	p.high = 0
	for i := range p.runs {
		p.high = max(p.high, p.runs[i].high)
	}
}
