package pipelinetest

import (
	"bytes"
	"reflect"
	"slices"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

var (
	messageSize = int(reflect.TypeFor[pipeline.Message]().Size())
	headerSize  = int(reflect.TypeFor[pipeline.Header]().Size())
)

// batch is a recycled Batch. Every slice that it lends lies in one buffer.
type batch struct {
	lent  pipeline.Batch
	bytes []byte
	out   bool
}

// newBatch returns a batch to fill. It needs the lock.
func (s *MemorySource) newBatch() *batch {
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		b.bytes = b.bytes[:0]
		b.lent.Messages, b.lent.Size = b.lent.Messages[:0], 0
		b.lent.Starts, b.lent.Ends = b.lent.Starts[:0], b.lent.Ends[:0]
		return b
	}
	b := new(batch)
	b.lent.Release = func() { s.releaseBatch(b) }
	return b
}

// releaseBatch overwrites the memory that the batch lent and keeps it for
// another read.
func (s *MemorySource) releaseBatch(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !b.out {
		panic("pipelinetest: batch released twice")
	}
	b.out = false
	s.lent--
	poison := bytes.Repeat([]byte{0xAA}, 16)
	copy(b.bytes, bytes.Repeat(poison, len(b.bytes)/len(poison)+1))
	for i := range b.lent.Messages {
		b.lent.Messages[i] = pipeline.Message{
			Key: poison, Value: poison,
			Origin: pipeline.Origin{Place: "released", Offset: -1, Previous: -1},
		}
	}
	for i := range b.lent.Ends {
		b.lent.Ends[i] = pipeline.Position{Place: "released", Next: -1, Last: -1, State: poison}
	}
	s.free = append(s.free, b)
}

func (b *batch) hasRoom(messages, limit int) bool {
	n := len(b.lent.Messages)
	return n == 0 || (messages == 0 || n < messages) && b.lent.Size < limit
}

// addMessage copies m into the batch.
func (b *batch) addMessage(m *pipeline.Message, origin pipeline.Origin) {
	c := *m
	c.Origin = origin
	c.Key, c.Value, c.Subject = b.copyBytes(m.Key), b.copyBytes(m.Value), b.copyBytes(m.Subject)
	c.Headers = slices.Clone(m.Headers)
	for i := range c.Headers {
		c.Headers[i].Value = b.copyBytes(m.Headers[i].Value)
	}
	b.lent.Messages = append(b.lent.Messages, c)
	b.lent.Size += sizeOf(m)
}

func (b *batch) copyBytes(p []byte) []byte {
	if p == nil {
		return nil
	}
	if b.bytes == nil || cap(b.bytes)-len(b.bytes) < len(p) {
		b.bytes = make([]byte, 0, max(4<<10, 2*cap(b.bytes), len(p)))
	}
	at := len(b.bytes)
	b.bytes = append(b.bytes, p...)
	return b.bytes[at:len(b.bytes):len(b.bytes)]
}

// sizeOf is the memory of m in bytes, structs included.
func sizeOf(m *pipeline.Message) int {
	n := messageSize + len(m.Key) + len(m.Value) + len(m.Subject)
	for i := range m.Headers {
		n += headerSize + len(m.Headers[i].Name) + len(m.Headers[i].Value)
	}
	return n
}

// cloneMessage copies m with all that it refers to.
func cloneMessage(m *pipeline.Message) pipeline.Message {
	c := *m
	c.Key, c.Value, c.Subject = bytes.Clone(m.Key), bytes.Clone(m.Value), bytes.Clone(m.Subject)
	c.Headers = slices.Clone(m.Headers)
	for i := range c.Headers {
		c.Headers[i].Value = bytes.Clone(m.Headers[i].Value)
	}
	return c
}
