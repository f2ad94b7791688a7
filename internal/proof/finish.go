package proof

// FinishPass decides about the records that have no counterpart, and begins the
// next pass. It tells whether there is one.
func (c *Comparer) FinishPass() (more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.table.visitEntries(func(e *entry, key uint64) {
		p := c.places[e.place()]
		if e.sealed() {
			c.finishSealed(p, e)
		} else {
			c.finishPlain(p, e, key)
		}
	})
	c.table.clearAll()
	c.open, c.gaps, c.sides = nil, 0, [2]sideState{}
	for _, p := range c.places {
		p.beginPass()
	}
	c.pass++
	return c.pass < c.o.Passes
}

// finishPlain decides about a record of which no envelope opened.
func (c *Comparer) finishPlain(p *place, e *entry, key uint64) {
	switch {
	case e.flags&broken != 0: // it counts as an envelope that did not open
	case c.isSuperseded(e, key):
		p.counts.Superseded++
	default:
		p.note(Missing, c.nameOf(p), e.offset(), "")
		if e.offset() > p.sealedMax {
			p.counts.MissingAtEnd++
		}
	}
}

// finishSealed decides about an envelope that names a record which is not
// there.
func (c *Comparer) finishSealed(p *place, e *entry) {
	gone := p.name != "" && e.offset() < p.end &&
		(p.first < 0 || e.offset() < max(p.first, p.kept) || p.compacted)
	switch {
	case e.flags&sealedBad != 0: // it has been counted
	case gone:
		p.note(Unverifiable, c.nameOf(p), e.offset(), "")
	default:
		p.note(Extra, c.nameOf(p), e.offset(), "")
	}
}
