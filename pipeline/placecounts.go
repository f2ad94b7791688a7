package pipeline

// batchPlaces are the places of the batch that a worker has in hand, in order
// of first appearance.
type batchPlaces struct {
	counts  []PlaceCounts
	index   map[string]int32 // into counts; nil while there is one place
	current int32            // the place of the last message
}

// find returns the index of a place. Neighbours are mostly of one place.
func (b *batchPlaces) find(place string) int32 {
	if int(b.current) < len(b.counts) && b.counts[b.current].Place == place {
		return b.current
	}
	return b.findOther(place)
}

func (b *batchPlaces) findOther(place string) int32 {
	if b.index == nil {
		b.index = make(map[string]int32)
	}
	i, known := b.index[place]
	if !known {
		i = int32(len(b.counts))
		b.index[place] = i
		b.addPlace(place)
	}
	b.current = i
	return i
}

// addPlace appends an entry, and keeps the map of the one that stood there.
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

// countReject counts one message of place i that went to the dead letters.
func (b *batchPlaces) countReject(i int32, reason Reason) {
	c := &b.counts[i]
	if c.Rejected == nil {
		c.Rejected = make(map[Reason]int64)
	}
	c.Rejected[reason]++
}

// reset forgets the batch and keeps the memory.
func (b *batchPlaces) reset() {
	b.counts, b.current = b.counts[:0], 0
	clear(b.index)
}
