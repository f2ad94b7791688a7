package pipeline

import "errors"

// lastOffsets knows the offset of the last message read from each place.
type lastOffsets struct {
	last map[string]*int64
}

func (p *lastOffsets) startAt(positions []Position) {
	p.last = make(map[string]*int64, len(positions))
	for i := range positions {
		*p.offsetOf(positions[i].Place) = positions[i].Last
	}
}

// noteBatch fills in Origin.Previous of the batch's messages and Last of its
// ends.
func (p *lastOffsets) noteBatch(b *Batch) {
	for i := range b.Starts {
		*p.offsetOf(b.Starts[i].Place) = b.Starts[i].Last
	}
	place, last := "", (*int64)(nil)
	for i := range b.Messages {
		m := &b.Messages[i]
		if last == nil || m.Origin.Place != place { // seldom
			place, last = m.Origin.Place, p.offsetOf(m.Origin.Place)
		}
		m.Origin.Previous = *last
		*last = m.Origin.Offset
		if m.Fault != nil {
			*last = max(*last, lastFaulty(m))
		}
	}
	for i := range b.Ends {
		b.Ends[i].Last = *p.offsetOf(b.Ends[i].Place)
	}
}

// lastFaulty returns the offset of the last message that the Fault of m is
// about.
func lastFaulty(m *Message) int64 {
	if reject, ok := errors.AsType[*Reject](m.Fault); ok {
		return max(m.Origin.Offset, reject.Through)
	}
	return m.Origin.Offset
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
