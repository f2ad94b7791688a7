package pipeline

// previous knows the offset of the last message read from each place.
type previous struct {
	last map[string]*int64
}

func (p *previous) start(positions []Position) {
	p.last = make(map[string]*int64, len(positions))
	for i := range positions {
		last := positions[i].Last
		p.last[positions[i].Place] = &last
	}
}

// note fills in Origin.Previous of the batch's messages and Last of its ends.
func (p *previous) note(b *Batch) {
	place, last := "", (*int64)(nil)
	for i := range b.Messages {
		o := &b.Messages[i].Origin
		if last == nil || o.Place != place { // neighbours are mostly of one place
			place, last = o.Place, p.of(o.Place)
		}
		o.Previous = *last
		*last = o.Offset
	}
	for i := range b.Ends {
		b.Ends[i].Last = *p.of(b.Ends[i].Place)
	}
}

func (p *previous) of(place string) *int64 {
	last := p.last[place]
	if last == nil {
		last = new(int64)
		*last = -1
		p.last[place] = last
	}
	return last
}
