package format

import (
	"context"
	"errors"
	"sync"
	"unsafe"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

const (
	messageSize = int(unsafe.Sizeof(pipeline.Message{}))
	headerSize  = int(unsafe.Sizeof(pipeline.Header{}))
)

// Batch is the memory of one read: decoded messages and the records that they
// point into. The zero Batch is empty. It is used by one goroutine.
type Batch struct {
	out      pipeline.Batch
	ends     [1]pipeline.Position
	buf      []byte // records; never moved while there are messages
	headers  []pipeline.Header
	names    names
	readSize int
	// The lengths of buf and headers before the last message.
	lastBuf, lastHeaders int
}

// Fits tells whether another record of size bytes belongs into a batch of about
// limit bytes. The first one always does.
func (b *Batch) Fits(size, limit int) bool {
	if len(b.out.Messages) == 0 {
		return true
	}
	return b.usedBytes()+size+messageSize <= limit
}

func (b *Batch) usedBytes() int {
	return len(b.buf) + len(b.out.Messages)*messageSize + len(b.headers)*headerSize
}

// Decode copies a record into the batch and decodes it with d. It returns true
// for a message, which is then the Last, and false for another record or for a
// piece of one.
//
// The error is a *pipeline.Reject if the record can never be read and others
// may follow it: AddFault takes it. With any other error nothing more can be
// read.
func (b *Batch) Decode(ctx context.Context, d Decoder, record []byte) (bool, error) {
	b.lastBuf, b.lastHeaders = len(b.buf), len(b.headers)
	is, err := d.decodeInto(ctx, b.appendRecord(record), b)
	if err == nil && !is {
		b.buf = b.buf[:b.lastBuf]
	}
	return is, err
}

// AddFault adds a message in place of a record that can never be read. Its
// value is the record as it lies in the input, or null if the record is longer
// than the limit of its Layout. It is then the Last.
func (b *Batch) AddFault(record []byte, fault *pipeline.Reject) {
	b.buf, b.headers = b.buf[:b.lastBuf], b.headers[:b.lastHeaders]
	var value []byte
	if !errors.Is(fault, ErrTooLarge) {
		value = b.appendRecord(record)
	}
	m := b.addMessage()
	m.Value, m.Fault = value, fault
}

// Last returns the last message, which has no origin yet. It is valid until the
// next call of Decode. The memory that it points to is valid until the batch is
// reset or put back.
func (b *Batch) Last() *pipeline.Message { return &b.out.Messages[len(b.out.Messages)-1] }

// DropLast removes the message of the last Decode and its record.
func (b *Batch) DropLast() {
	b.dropMessage()
	b.buf, b.headers = b.buf[:b.lastBuf], b.headers[:b.lastHeaders]
}

// Len returns the number of messages.
func (b *Batch) Len() int { return len(b.out.Messages) }

// Finish returns the messages as a pipeline.Batch that ends at end. Its Release
// is nil unless the Batch comes from a Shelf.
func (b *Batch) Finish(end pipeline.Position) *pipeline.Batch {
	b.ends[0] = end
	b.out.Ends = b.ends[:]
	b.out.Size = b.pinnedBytes()
	return &b.out
}

// Reset empties the batch.
func (b *Batch) Reset() {
	b.buf, b.out.Messages, b.headers = b.buf[:0], b.out.Messages[:0], b.headers[:0]
}

// appendRecord copies a record into the batch.
func (b *Batch) appendRecord(record []byte) []byte {
	if len(b.out.Messages) == 0 && len(record) > cap(b.buf) {
		b.buf = make([]byte, 0, len(record))
	}
	start := len(b.buf)
	b.buf = append(b.buf, record...)
	return b.buf[start:len(b.buf):len(b.buf)]
}

// addMessage adds an empty message; dropMessage takes the last one away.
func (b *Batch) addMessage() *pipeline.Message {
	b.out.Messages = append(b.out.Messages, pipeline.Message{})
	return &b.out.Messages[len(b.out.Messages)-1]
}

func (b *Batch) dropMessage() { b.out.Messages = b.out.Messages[:len(b.out.Messages)-1] }

// pinnedBytes returns how many bytes of memory the batch keeps alive.
func (b *Batch) pinnedBytes() int {
	return cap(b.buf) + cap(b.out.Messages)*messageSize + cap(b.headers)*headerSize
}

// Shelf keeps released batches for the next reads, never more than were in use
// at once. The zero Shelf is empty. It is safe for concurrent use.
type Shelf struct {
	mu   sync.Mutex
	free []*Batch
}

// TakeBatch returns an empty batch for a read of about limit bytes. The Release
// of its pipeline.Batch puts it back.
func (s *Shelf) TakeBatch(limit int) *Batch {
	s.mu.Lock()
	var b *Batch
	if n := len(s.free); n > 0 {
		b, s.free = s.free[n-1], s.free[:n-1]
	}
	s.mu.Unlock()
	if b == nil {
		b = new(Batch)
		b.out.Release = func() { s.PutBatch(b) }
	}
	b.readSize = limit
	if cap(b.buf) < limit {
		b.buf = make([]byte, 0, limit)
	}
	b.Reset()
	return b
}

// maxIdle is how many bytes beyond its limit an idle batch may hold.
const maxIdle = 1 << 20

// PutBatch takes back a batch that was not handed out.
func (s *Shelf) PutBatch(b *Batch) {
	if b.pinnedBytes() > 2*b.readSize+maxIdle { // give back the memory of one large record
		b.buf, b.out.Messages, b.headers = nil, nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, b)
}

// names keeps the strings of header names, since they repeat from message to
// message.
type names map[string]string

// maxNames bounds the number of kept names, and the bytes of one.
const maxNames = 256

func (n *names) intern(b []byte) string {
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
