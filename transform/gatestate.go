package transform

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// The state of a Gate is that of docs/envelope.md, section 19:
//
//	version 1 || sections: type 1 || length 2 || bytes
//
// This package writes the sections of runs and of guesses. Older versions wrote
// the source of positions in a section; now it stands in front of the state.
const (
	stateVersion = 1
	sectionRuns  = 1
	sectionName  = 2

	sectionHead = 3
	maxState    = 3072
	// maxRunBytes leaves room for the other sections.
	maxRunBytes = maxState - 1 - sectionHead - (sectionHead + 5) - (sectionHead + maxGuesses)
)

// gateState is everything that a state holds.
type gateState struct {
	runs    *knownRuns
	guesses guesses
}

// append appends the state to dst: nothing for a Gate that knows nothing.
func (s *gateState) append(dst []byte) []byte {
	if len(s.runs.places) == 0 && len(s.guesses.times) == 0 {
		return dst
	}
	return s.guesses.append(s.runs.append(append(dst, stateVersion)))
}

var errState = errors.New("not a state of a Gate")

// append appends the section to dst, if there are runs.
func (k *knownRuns) append(dst []byte) []byte {
	if len(k.places) == 0 {
		return dst
	}
	dst = append(dst, sectionRuns)
	dst = binary.BigEndian.AppendUint16(dst, uint16(k.size))
	sorted := slices.Clone(k.places)
	slices.SortFunc(sorted, func(a, b *placeRuns) int { return cmp.Compare(a.id, b.id) })
	for _, p := range sorted {
		for runs := range slices.Chunk(p.runs, runsOfHead) {
			dst = binary.BigEndian.AppendUint64(dst, uint64(p.id)|uint64(len(runs))<<56)
			for _, r := range runs {
				dst = appendUint48(appendUint48(dst, r.first), r.last)
				dst = appendUint40(dst, r.low)
				if p.id.isRising() {
					dst = appendUint40(dst, r.high)
				}
			}
		}
	}
	return dst
}

func appendUint48(dst []byte, n uint64) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(dst, uint16(n>>32)), uint32(n))
}

func appendUint40(dst []byte, n uint64) []byte {
	return binary.BigEndian.AppendUint32(append(dst, byte(n>>32)), uint32(n))
}

// parseState reads a state. An empty one is that of a beginning, and so is what
// it returns beside an error.
func parseState(state []byte) (gateState, error) {
	s := gateState{runs: newRuns()}
	if len(state) > 0 && !s.parseSections(state) {
		return gateState{runs: newRuns()}, errState
	}
	k := s.runs
	for _, p := range k.places {
		k.size += p.size()
		k.spare += len(p.runs) - 1
	}
	if !k.makeRoom(0) { // with other sections it would be too long for a store
		return gateState{runs: newRuns()}, errState
	}
	return s, nil
}

func (s *gateState) parseSections(state []byte) bool {
	if state[0] != stateVersion || len(state) > maxState {
		return false
	}
	rest, before := state[1:], -1
	for len(rest) > 0 {
		if len(rest) < sectionHead {
			return false
		}
		kind, size := int(rest[0]), int(binary.BigEndian.Uint16(rest[1:]))
		if rest = rest[sectionHead:]; len(rest) < size || kind <= before {
			return false
		}
		section := rest[:size]
		rest, before = rest[size:], kind
		ok := true
		switch kind {
		case sectionRuns:
			ok = s.runs.parseRuns(section)
		case sectionName:
			ok = size == 5
		case sectionGuesses:
			ok = s.guesses.parse(section)
		}
		if !ok {
			return false
		}
	}
	return true
}

// parseRuns reads the section of runs.
func (k *knownRuns) parseRuns(b []byte) bool {
	var before placeID
	for first := true; len(b) > 0; first = false {
		if len(b) < placeSize {
			return false
		}
		id, count := placeID(binary.BigEndian.Uint64(b)&^(runsOfHead<<56)), int(b[0]&^risingMask)
		each := id.runSize()
		if b = b[placeSize:]; count == 0 || len(b) < count*each {
			return false
		}
		p := k.find(id)
		switch {
		case p != nil && (id != before || len(p.runs)%runsOfHead != 0), p == nil && !first && id < before:
			return false
		case p == nil:
			if p = k.add(id); p == nil {
				return false
			}
		}
		for range count {
			if !p.restoreRun(b[:each]) {
				return false
			}
			b = b[each:]
		}
		before = id
	}
	return true
}

// restoreRun reads one run, which must stand behind those before it.
func (p *placeRuns) restoreRun(b []byte) bool {
	r := run{first: readUint(b[:6]), last: readUint(b[6:12]), low: readUint(b[12:17])}
	r.high = r.low
	if p.id.isRising() {
		r.high = readUint(b[17:22])
	}
	if r.first > r.last || r.low > r.high {
		return false
	}
	if n := len(p.runs); n > 0 && compareRuns(p.runs[n-1], r) >= 0 {
		return false
	}
	p.runs = append(p.runs, r)
	p.high = max(p.high, r.high)
	return true
}

func readUint(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}
