package transform

// knownRuns are the runs of all places, as many as the state has room for.
type knownRuns struct {
	places []*placeRuns // in no order
	size   int          // of the state
	spare  int          // runs that may be forgotten: all but one of each place
	last   *placeRuns   // the last one that was found; nil: none
	// slots finds a place: the search begins at the slot of its hash and ends
	// with an empty one. A Gate mostly sees one place, and then has none.
	slots *[placeSlots]placeSlot
}

// placeSlot has a place; runs is nil in an empty one.
type placeSlot struct {
	id   placeID
	runs *placeRuns
}

// placeSlots is a power of two, and more than twice as many as there are
// places, so that most are found in the first slot. A stranger who chooses
// places that meet makes a search as long as there are places, and no longer.
const placeSlots = 256

// maxPlaces is more than the state has room for.
const maxPlaces = maxRunBytes / (placeSize + fixedRun)

func newRuns() *knownRuns { return &knownRuns{} }

// slotOf is where the search for a place begins.
func slotOf(id placeID) uint8 { return uint8(uint64(id) * 0x9e3779b97f4a7c15 >> 56) }

// find returns the runs of a place, or nil.
func (k *knownRuns) find(id placeID) *placeRuns {
	if k.last != nil && k.last.id == id {
		return k.last
	}
	if k.slots == nil { // the only place is the last one, once it was found
		if len(k.places) == 0 || k.places[0].id != id {
			return nil
		}
		k.last = k.places[0]
		return k.last
	}
	for slot := slotOf(id); ; slot++ {
		switch s := &k.slots[slot]; {
		case s.runs == nil:
			return nil
		case s.id == id:
			k.last = s.runs
			return s.runs
		}
	}
}

// add adds a place that find does not find, and returns its runs: none. It
// returns nil if there are maxPlaces.
func (k *knownRuns) add(id placeID) *placeRuns {
	if len(k.places) == maxPlaces {
		return nil
	}
	p := &placeRuns{id: id}
	k.places = append(k.places, p)
	if len(k.places) == 2 {
		k.slots = new([placeSlots]placeSlot)
		k.fillSlot(k.places[0])
	}
	if k.slots != nil {
		k.fillSlot(p)
	}
	return p
}

// fillSlot puts a place into the first slot that is free.
func (k *knownRuns) fillSlot(p *placeRuns) {
	slot := slotOf(p.id)
	for k.slots[slot].runs != nil {
		slot++
	}
	k.slots[slot] = placeSlot{p.id, p}
}

// note adds a message. It reports false if there is no room for its place.
func (k *knownRuns) note(id placeID, first, last, term uint64) bool {
	p := k.find(id)
	if p == nil {
		if !k.makeRoom(placeSize + risingRun) {
			return false
		}
		if p = k.add(id); p == nil {
			return false
		}
	}
	was, runs := p.size(), len(p.runs)
	if !p.note(first, last, term) || p.size() != was {
		k.size += p.size() - was
		k.spare += max(1, len(p.runs)) - max(1, runs)
		k.makeRoom(0)
	}
	return true
}

// makeRoom forgets runs until so many bytes more have room: of the place with
// the most runs that with the lowest end, and never the highest of a place. It
// reports false if there is none to forget, which costs no search.
func (k *knownRuns) makeRoom(more int) bool {
	for k.size+more > maxRunBytes {
		if k.spare == 0 {
			return false
		}
		most := k.places[0]
		for _, p := range k.places[1:] {
			if len(p.runs) > len(most.runs) || len(p.runs) == len(most.runs) && p.id < most.id {
				most = p
			}
		}
		was := most.size()
		most.forgetLowest()
		k.size += most.size() - was
		k.spare--
	}
	return true
}
