package proof

// addSealed decides about a record of the sealed side.
func (c *Comparer) addSealed(r *Record) error {
	if r.Placed && (r.At.Offset < 0 || r.At.Offset > maxOffset) {
		r.Placed = false
	}
	switch {
	case r.Refused != "":
		return c.noteRefused(r)
	case !r.Placed:
		if c.pass == 0 {
			c.noteStray(Unplaced, r)
		}
		return nil
	}
	p, err := c.placeOf(r.At.PlaceID)
	if err != nil {
		return err
	}
	offset := r.At.Offset
	p.sealedMax = max(p.sealedMax, offset)
	high, known := p.highs[r.Place]
	late := known && offset < high
	if !late {
		p.highs[r.Place] = offset
	}
	if !c.owns(p, offset) {
		return nil
	}
	c.sources[r.At.Source]++
	if r.Extra {
		p.counts.ExtraHeaders++
	}
	p.counts.SealedRecords++
	p.counts.SealedBytes += int64(r.Bytes)
	c.addSum(&p.sealedSum, &r.Digest)
	decide := c.keepAhead
	if offset <= p.high {
		decide = c.matchPast
	}
	again := decide(p, r)
	if late && !again {
		p.note(Reordered, c.nameOf(p), offset, "")
	}
	return nil
}

func (c *Comparer) sealedEntry(p *place, r *Record) entry {
	e := newEntry(p.index, true, r.At.Offset)
	e.term, e.digest = uint32(r.At.Term), [16]byte(r.Digest[:])
	return e
}

// matchPast decides about an envelope behind its plaintext, which has been read
// if it was there. It tells whether the envelope came before.
func (c *Comparer) matchPast(p *place, r *Record) (again bool) {
	offset := r.At.Offset
	e, like := c.sealedEntry(p, r), newEntry(p.index, false, offset)
	found, _ := c.table.findEntry(&like)
	switch {
	case found != nil && found.term != e.term:
		p.note(Unverifiable, c.nameOf(p), offset, "")
	case found != nil:
		c.judge(p, found, &e)
		c.take(found)
	case offset < p.first, (p.compacted || offset < p.kept) && p.gaps.contains(offset):
		p.note(Unverifiable, c.nameOf(p), offset, "")
	case p.gaps.contains(offset):
		// A source may find out later that the record has been deleted.
		return c.keepAhead(p, r)
	default:
		p.note(Duplicate, c.nameOf(p), offset, "")
		return true
	}
	return false
}

// keepAhead keeps an envelope until its plaintext has been read, or until the
// end of the pass. It tells whether the envelope came before.
func (c *Comparer) keepAhead(p *place, r *Record) (again bool) {
	e := c.sealedEntry(p, r)
	found, _ := c.table.findEntry(&e)
	switch {
	case found == nil:
		c.table.putEntry(&e, r.Key)
		c.sides[sealedSide].waiting++
	case found.flags&sealedBad != 0:
		*found = e
	case found.term == e.term:
		p.note(Duplicate, c.nameOf(p), r.At.Offset, "")
		return true
	default: // the log of the plaintext was cut, and written again
		p.note(Unverifiable, c.nameOf(p), r.At.Offset, "")
		if int32(e.term-found.term) > 0 {
			*found = e
		}
	}
	return false
}

// noteRefused counts an envelope that did not open. The record that it claims
// to be is not missing altogether, unless another envelope has it.
func (c *Comparer) noteRefused(r *Record) error {
	if c.pass == 0 {
		c.noteStray(Undecryptable, r)
	}
	if !r.Placed || !c.o.AnySource && (c.o.IsOwn == nil || !c.o.IsOwn(r.At.Source)) {
		return nil
	}
	p, err := c.placeOf(r.At.PlaceID)
	if err != nil || !c.owns(p, r.At.Offset) {
		return err
	}
	like := newEntry(p.index, false, r.At.Offset)
	if found, _ := c.table.findEntry(&like); found != nil {
		found.flags |= broken
		return nil
	}
	e := c.sealedEntry(p, r)
	if found, _ := c.table.findEntry(&e); found == nil && r.At.Offset > p.high {
		e.flags |= sealedBad
		c.table.putEntry(&e, 0)
		c.sides[sealedSide].waiting++
	}
	return nil
}

// noteStray notes a finding that is told by the place of the sealed side.
func (c *Comparer) noteStray(f Finding, r *Record) {
	*c.loose.countOf(f)++
	c.strays[f].add(r.Place, r.Offset, r.Refused)
}
