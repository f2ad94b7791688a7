package archive

import (
	"bytes"
	"errors"
	"sync"
)

// maxCarried is how many bytes a Carrier holds: those of records that stand
// between messages which are on their way.
const maxCarried = 64 << 20

var errCarried = errors.New("too many records that are no messages stand one behind the other")

// Carrier hands records that are no messages from the reader of an archive to
// the writer of its copy, so that they stand between the same messages there.
// The zero Carrier is empty. It is safe for concurrent use.
type Carrier struct {
	mu    sync.Mutex
	queue []Record
	bytes int
}

// Put takes a copy of a record. Records come in their order, and again if the
// archive is read again.
func (c *Carrier) Put(r *Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := len(c.queue) - 1; n >= 0 && c.queue[n].Index >= r.Index; n-- {
		c.bytes -= len(c.queue[n].Body)
		c.queue = c.queue[:n]
	}
	if c.bytes+len(r.Body) > maxCarried {
		return errCarried
	}
	kept := *r
	kept.Body = bytes.Clone(r.Body)
	c.queue = append(c.queue, kept)
	c.bytes += len(kept.Body)
	return nil
}

// Peek returns the record with an index, if it stands before the message that
// has count messages before it. Records before it are dropped.
func (c *Carrier) Peek(index, count uint64) (r Record, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) > 0 && c.queue[0].Index < index {
		c.bytes -= len(c.queue[0].Body)
		c.queue = c.queue[1:]
	}
	if len(c.queue) == 0 || c.queue[0].Index != index || c.queue[0].Before > count {
		return Record{}, false
	}
	return c.queue[0], true
}
