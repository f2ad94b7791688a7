package batch

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Producer identifies the writer of a batch. A batch that is sent again carries
// the same Producer, Sequence included, so that the broker takes it once. ID,
// Epoch and Sequence are -1 for a batch that is neither idempotent nor in a
// transaction.
type Producer struct {
	ID            int64
	Epoch         int16
	Sequence      int32 // of the batch's first record
	Transactional bool
}

// NextSequence is the sequence that follows a batch of count records. Sequences
// wrap from 2^31-1 to 0.
func NextSequence(sequence int32, count int) int32 {
	return int32((int64(sequence) + int64(count)) & math.MaxInt32)
}

// Appender gathers messages of one partition into one batch. Use is Begin,
// Append for every message, Finish. The zero value is ready. It is used by one
// goroutine at a time and allocates nothing but the growth of the buffer; of
// the messages it keeps nothing.
type Appender struct {
	buf      []byte
	start    int
	count    int
	baseTime int64
	maxTime  int64
}

// Begin starts a batch behind the content of dst. Dst belongs to the Appender
// until Finish.
func (a *Appender) Begin(dst []byte) {
	a.start = len(dst)
	a.buf = append(dst, make([]byte, HeaderSize)...)
	a.count, a.baseTime, a.maxTime = 0, 0, 0
}

// Count is the number of messages in the batch.
func (a *Appender) Count() int { return a.count }

// Len is the size of the batch so far, in bytes, before compression.
func (a *Appender) Len() int { return len(a.buf) - a.start }

// Size is by how many bytes Append of m would raise Len now, exactly.
func (a *Appender) Size(m *pipeline.Message) int {
	body := a.bodySize(m, toMillis(m.Time)-a.chooseBase(m))
	return varintSize(int64(body)) + body
}

// BoundMessage is the most that a message adds to a batch, wherever it stands
// in it, in bytes. HeaderSize+BoundMessage is the most that a message takes
// which is alone in its batch.
func BoundMessage(m *pipeline.Message) int {
	n := maxVarint32 + 1 + maxVarint64 + maxVarint32 // length, attributes, time, offset
	n += maxVarint32 + len(m.Key) + maxVarint32 + len(m.Value) + maxVarint32
	for i := range m.Headers {
		n += maxVarint32 + len(m.Headers[i].Name) + maxVarint32 + len(m.Headers[i].Value)
	}
	return n
}

// Append adds m: key, value, headers and time. Null stays null, and empty
// stays empty; headers keep their order. A zero time is written as none.
// Messages get the offsets 0, 1, 2 of the batch; the broker makes real ones of
// them.
func (a *Appender) Append(m *pipeline.Message) {
	at := toMillis(m.Time)
	if a.count == 0 {
		a.baseTime, a.maxTime = at, at
	}
	a.maxTime = max(a.maxTime, at)
	delta := at - a.baseTime
	b := appendVarint(a.buf, int64(a.bodySize(m, delta)))
	b = append(b, 0) // attributes: none are defined
	b = appendVarint(b, delta)
	b = appendVarint(b, int64(a.count))
	b = appendBytes(b, m.Key)
	b = appendBytes(b, m.Value)
	b = appendVarint(b, int64(len(m.Headers)))
	for i := range m.Headers {
		b = appendVarint(b, int64(len(m.Headers[i].Name)))
		b = append(b, m.Headers[i].Name...)
		b = appendBytes(b, m.Headers[i].Value)
	}
	a.buf = b
	a.count++
}

// Finish completes the batch and returns dst with it. A batch without messages
// is an error: brokers refuse it.
func (a *Appender) Finish(p Producer, c *Compressor) ([]byte, error) {
	if a.count == 0 {
		return nil, malformed("no records")
	}
	if a.Len() > math.MaxInt32 {
		return nil, fmt.Errorf("%w: record batch of %d bytes", ErrTooLarge, a.Len())
	}
	records, compression, err := c.shrink(a.buf[a.start+HeaderSize:])
	if err != nil {
		return nil, err
	}
	b := a.buf[a.start : a.start+HeaderSize+len(records)]
	attributes := uint16(compression)
	if p.Transactional {
		attributes |= flagTransactional
	}
	binary.BigEndian.PutUint64(b, 0)
	binary.BigEndian.PutUint32(b[atLength:], uint32(len(b)-lengthFrom))
	binary.BigEndian.PutUint32(b[atLeaderEpoch:], math.MaxUint32) // -1: the broker fills it in
	b[atMagic] = 2
	binary.BigEndian.PutUint16(b[atAttributes:], attributes)
	binary.BigEndian.PutUint32(b[atLastDelta:], uint32(a.count-1))
	binary.BigEndian.PutUint64(b[atBaseTime:], uint64(a.baseTime))
	binary.BigEndian.PutUint64(b[atMaxTime:], uint64(a.maxTime))
	binary.BigEndian.PutUint64(b[atProducerID:], uint64(p.ID))
	binary.BigEndian.PutUint16(b[atProducerEpoch:], uint16(p.Epoch))
	binary.BigEndian.PutUint32(b[atSequence:], uint32(p.Sequence))
	binary.BigEndian.PutUint32(b[atCount:], uint32(a.count))
	binary.BigEndian.PutUint32(b[atChecksum:], crc32.Checksum(b[atAttributes:], castagnoli))
	out := a.buf[:a.start+len(b)]
	a.buf = nil
	return out, nil
}

func (a *Appender) chooseBase(m *pipeline.Message) int64 {
	if a.count == 0 {
		return toMillis(m.Time)
	}
	return a.baseTime
}

func (a *Appender) bodySize(m *pipeline.Message, timeDelta int64) int {
	n := 1 + varintSize(timeDelta) + varintSize(int64(a.count)) + bytesSize(m.Key) + bytesSize(m.Value)
	n += varintSize(int64(len(m.Headers)))
	for i := range m.Headers {
		name := len(m.Headers[i].Name)
		n += varintSize(int64(name)) + name + bytesSize(m.Headers[i].Value)
	}
	return n
}

// noTime is the timestamp of a record that has none.
const noTime = -1

func toMillis(t time.Time) int64 {
	if t.IsZero() {
		return noTime
	}
	return t.UnixMilli()
}
