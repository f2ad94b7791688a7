package pipeline

import "math"

// batchPlaces are the places of the batch that a worker has in hand, in order
// of first appearance.
type batchPlaces struct {
	counts  []PlaceCounts
	stands  []batchPlace // of the same index
	index   map[string]int32
	current int32 // the place of the last message
	stopped bool  // some place stops within the batch
}

// batchPlace is how far one place has come within a batch. Messages are named
// by their index in the batch.
type batchPlace struct {
	first int        // its first message
	stop  int        // the message at which it stops; goesOn if at none
	cause error      // why it is to be parked there; nil if it is not
	told  bool       // it was parked
	lane  *lanePlace // nil before the turn
	noted int        // behind the last reject of the part that its gate knows
	row   int        // see brakePlaces
	brake int
	last  *Reject
}

// goesOn is the stop of a place that does not stop.
const goesOn = math.MaxInt

// find returns the index of the place of message i.
func (b *batchPlaces) find(place string, i int) int32 {
	if int(b.current) < len(b.counts) && b.counts[b.current].Place == place {
		return b.current
	}
	return b.findOther(place, i)
}

func (b *batchPlaces) findOther(place string, i int) int32 {
	n, known := b.index[place]
	if !known {
		if b.index == nil {
			b.index = make(map[string]int32)
		}
		n = int32(len(b.counts))
		b.index[place] = n
		b.addPlace(place)
		b.stands = append(b.stands, batchPlace{first: i, stop: goesOn})
	}
	b.current = n
	return n
}

// lookUp returns the index of a place that has messages in the batch, or -1.
func (b *batchPlaces) lookUp(place string) int32 {
	if n, known := b.index[place]; known {
		return n
	}
	return -1
}

// addPlace appends counts, and keeps the map of those that stood there.
func (b *batchPlaces) addPlace(place string) {
	if len(b.counts) < cap(b.counts) {
		b.counts = b.counts[:len(b.counts)+1]
	} else {
		b.counts = append(b.counts, PlaceCounts{})
	}
	c := &b.counts[len(b.counts)-1]
	clear(c.Rejected)
	*c = PlaceCounts{Place: place, Rejected: c.Rejected}
}

// countReject counts one message that went to the dead letters.
func (b *batchPlaces) countReject(n int32, reason Reason) {
	c := &b.counts[n]
	if c.Rejected == nil {
		c.Rejected = make(map[Reason]int64)
	}
	c.Rejected[reason]++
}

// reset forgets the batch and keeps the memory.
func (b *batchPlaces) reset() {
	clear(b.stands)
	b.counts, b.stands, b.current, b.stopped = b.counts[:0], b.stands[:0], 0, false
	clear(b.index)
}
