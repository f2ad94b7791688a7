package batch

import "slices"

// Aborted is an aborted transaction, as a fetch lists it: batches of
// the producer from First on, up to its Abort marker.
type Aborted struct {
	ProducerID int64
	First      int64 // offset
}

// Committed tells which batches of the answer to one fetch a reader may see
// that asked for read_committed. Brokers send aborted batches all the same,
// with a list of them.
//
// The zero value is ready. It is used by one goroutine at a time.
type Committed struct {
	listed []Aborted // by First, not yet reached
	open   []int64   // producers with an aborted transaction that is not over
}

// Reset begins the answer of a fetch for one partition. It keeps the list and
// may sort it.
func (c *Committed) Reset(aborted []Aborted) {
	slices.SortFunc(aborted, func(a, b Aborted) int {
		switch {
		case a.First < b.First:
			return -1
		case a.First > b.First:
			return 1
		}
		return 0
	})
	c.listed, c.open = aborted, c.open[:0]
}

// Admits says whether the records of the batch are to be read. It is asked for
// every batch in turn. Control batches are never to be read.
func (c *Committed) Admits(h *Info) bool {
	for len(c.listed) > 0 && c.listed[0].First <= h.LastOffset {
		if id := c.listed[0].ProducerID; !slices.Contains(c.open, id) {
			c.open = append(c.open, id)
		}
		c.listed = c.listed[1:]
	}
	at := -1
	if h.Transactional {
		at = slices.Index(c.open, h.ProducerID)
	}
	if h.Marker == Abort && at >= 0 {
		c.open = slices.Delete(c.open, at, at+1)
	}
	return h.Marker == Data && at < 0
}
