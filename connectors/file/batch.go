package file

import (
	"sync"
	"unsafe"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

const (
	messageSize = int(unsafe.Sizeof(pipeline.Message{}))
	headerSize  = int(unsafe.Sizeof(pipeline.Header{}))
)

// batch is the memory of one read. Its records lie in buf, its messages point into that, so buf is
// never moved while there are any.
type batch struct {
	out     pipeline.Batch
	ends    [1]pipeline.Position
	buf     []byte
	headers []pipeline.Header
	names   names
	limit   int
}

// fits tells whether another record of n bytes belongs into a batch of about limit bytes, for which
// buf has room. The first one always does.
func (b *batch) fits(n, limit int) bool {
	if len(b.out.Messages) == 0 {
		return true
	}
	return b.used()+n+messageSize <= limit
}

func (b *batch) used() int {
	return len(b.buf) + len(b.out.Messages)*messageSize + len(b.headers)*headerSize
}

// keep copies a record into the batch.
func (b *batch) keep(record []byte) []byte {
	if len(b.out.Messages) == 0 && len(record) > cap(b.buf) {
		b.buf = make([]byte, 0, len(record))
	}
	start := len(b.buf)
	b.buf = append(b.buf, record...)
	return b.buf[start:len(b.buf):len(b.buf)]
}

// message adds an empty message, and drop takes the last one and its record away again.
func (b *batch) message() *pipeline.Message {
	b.out.Messages = append(b.out.Messages, pipeline.Message{})
	return &b.out.Messages[len(b.out.Messages)-1]
}

func (b *batch) drop(buf, headers int) {
	b.out.Messages = b.out.Messages[:len(b.out.Messages)-1]
	b.buf, b.headers = b.buf[:buf], b.headers[:headers]
}

// pinned is what the batch keeps from being collected, in bytes.
func (b *batch) pinned() int {
	return cap(b.buf) + cap(b.out.Messages)*messageSize + cap(b.headers)*headerSize
}

// shelf keeps released batches for the next reads. There are never more than were in flight at once.
type shelf struct {
	mu   sync.Mutex
	free []*batch
}

// take returns an empty batch for a read of about limit bytes.
func (s *shelf) take(limit int) *batch {
	s.mu.Lock()
	var b *batch
	if n := len(s.free); n > 0 {
		b, s.free = s.free[n-1], s.free[:n-1]
	}
	s.mu.Unlock()
	if b == nil {
		b = new(batch)
		b.out.Release = func() { s.put(b) }
	}
	b.limit = limit
	if cap(b.buf) < limit {
		b.buf = make([]byte, 0, limit)
	}
	b.reset()
	return b
}

func (b *batch) reset() {
	b.buf, b.out.Messages, b.headers = b.buf[:0], b.out.Messages[:0], b.headers[:0]
}

func (s *shelf) put(b *batch) {
	if b.pinned() > 2*b.limit+maxIdle { // one large record is not paid for ever after
		b.buf, b.out.Messages, b.headers = nil, nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, b)
}

// names keeps the strings of header names, which repeat from message to message.
type names map[string]string

const maxNames = 256

func (n *names) of(b []byte) string {
	if s, ok := (*n)[string(b)]; ok {
		return s
	}
	s := string(b)
	if *n == nil {
		*n = make(names)
	}
	if len(*n) < maxNames && len(s) <= maxNames {
		(*n)[s] = s
	}
	return s
}
