package pipeline

// lastOffsets knows the offset of the last message read from each place.
type lastOffsets struct {
	last map[string]*int64
}

func (p *lastOffsets) startAt(positions []Position) {
	p.last = make(map[string]*int64, len(positions))
	for i := range positions {
		last := positions[i].Last
		p.last[positions[i].Place] = &last
	}
}

// noteBatch fills in Origin.Previous of the batch's messages and Last of its ends.
func (p *lastOffsets) noteBatch(b *Batch) {
	place, last := "", (*int64)(nil)
	for i := range b.Messages {
		o := &b.Messages[i].Origin
		if last == nil || o.Place != place { // neighbours are mostly of one place
			place, last = o.Place, p.offsetOf(o.Place)
		}
		o.Previous = *last
		*last = o.Offset
	}
	for i := range b.Ends {
		b.Ends[i].Last = *p.offsetOf(b.Ends[i].Place)
	}
}

func (p *lastOffsets) offsetOf(place string) *int64 {
	last := p.last[place]
	if last == nil {
		last = new(int64)
		*last = -1
		p.last[place] = last
	}
	return last
}
