package nats

import (
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	natsgo "github.com/nats-io/nats.go"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// batch is the memory of a pipeline.Batch, used again after its release.
// Payloads stay in the buffers that the client library allocated.
type batch struct {
	pipeline.Batch
	sealed  bool // the stream holds envelopes
	dropTTL bool
	headers []pipeline.Header
	arena   []byte   // subjects, keys and header values; grows by append, so older slices stay good
	names   []string // scratch
	end     [1]pipeline.Position
}

var batches = sync.Pool{New: func() any { return new(batch) }}

func newBatch() *batch {
	b := batches.Get().(*batch)
	if b.Release == nil {
		b.Release = func() {
			b.reset()
			batches.Put(b)
		}
	}
	return b
}

func (b *batch) reset() {
	clear(b.Messages)
	clear(b.headers)
	clear(b.names)
	b.Batch = pipeline.Batch{Messages: b.Messages[:0], Release: b.Release}
	b.sealed, b.dropTTL = false, false
	b.headers, b.arena, b.names = b.headers[:0], b.arena[:0], b.names[:0]
	b.end = [1]pipeline.Position{}
}

// addDelivery appends the message of d, with an origin in place.
func (b *batch) addDelivery(place string, d *delivery) {
	b.addMessage(originOf(place, d), d.time, d.msg)
	b.Size += d.size
}

// originOf is the origin of a message that was delivered.
func originOf(place string, d *delivery) pipeline.Origin {
	return pipeline.Origin{Place: place, Offset: int64(d.sequence), Previous: -1, Term: termOf(d.time)}
}

// termBegin is the time of term 0, and maxTerm one more than the largest term.
var termBegin = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

const maxTerm = 1 << 40

// termOf is the term of a message that was stored at a time: milliseconds. A
// stream that was cut, and written again, has other messages at its sequences.
func termOf(stored time.Time) uint64 {
	return uint64(stored.Sub(termBegin).Milliseconds()) % maxTerm
}

func (b *batch) addMessage(origin pipeline.Origin, stored time.Time, msg *natsgo.Msg) {
	headers := msg.Header
	m := pipeline.Message{Value: msg.Data, Time: stored, Subject: b.keepString(msg.Subject), Origin: origin}
	null := isNull(headers, m.Value)
	e := readEffects(headers, stored, b.sealed)
	if b.dropTTL {
		e.ttl = ""
	}
	switch {
	case null:
		m.Value = nil
	case m.Value == nil:
		m.Value = []byte{}
	}
	m.Key = b.readKey(headers)
	m.Headers = b.readHeaders(headers, e, m.Key != nil, null)
	b.Messages = append(b.Messages, m)
}

// readKey decodes the key; nil if there is none.
func (b *batch) readKey(headers natsgo.Header) []byte {
	start := len(b.arena)
	arena, err := decodeKey(b.arena, headers)
	if err != nil {
		return nil
	}
	b.arena = arena
	if len(arena) == start {
		return []byte{}
	}
	return arena[start:len(arena):len(arena)]
}

// readHeaders copies the headers that are passed on, and adds effects, sorted
// by name; values keep their order.
func (b *batch) readHeaders(headers natsgo.Header, e effects, key, null bool) []pipeline.Header {
	b.names = b.names[:0]
	for name := range headers {
		if slices.Contains(reservedNames, name) || key && name == KeyHeader || null && name == NullHeader {
			continue
		}
		b.names = append(b.names, name)
	}
	slices.Sort(b.names)
	start := len(b.headers)
	for _, name := range b.names {
		as := name
		if !b.sealed {
			as = hideOurName(name)
		}
		for _, value := range headers[name] {
			b.headers = append(b.headers, pipeline.Header{Name: as, Value: b.keepString(value)})
		}
	}
	if e != (effects{}) {
		b.addEffects(e)
		byName := func(a, c pipeline.Header) int { return strings.Compare(a.Name, c.Name) }
		slices.SortStableFunc(b.headers[start:], byName)
	}
	if len(b.headers) == start {
		return nil
	}
	return b.headers[start:len(b.headers):len(b.headers)]
}

// keepString copies s. The result is never nil.
func (b *batch) keepString(s string) []byte {
	start := len(b.arena)
	b.arena = append(b.arena, s...)
	if len(s) == 0 {
		return []byte{}
	}
	return b.arena[start:len(b.arena):len(b.arena)]
}

// Memory of a message beside its bytes: structs, and the elements of maps.
const (
	structBytes = int(unsafe.Sizeof(natsgo.Msg{})+unsafe.Sizeof(pipeline.Message{})+unsafe.Sizeof(delivery{})) + 64
	// headersBytes is a map of a few headers.
	headersBytes = 384
)

// sizeOf returns the memory that a message pins: the client's buffers, our copy
// of subject and headers, and the structs. Of small messages these are nearly
// all.
func sizeOf(msg *natsgo.Msg) int {
	n := len(msg.Data) + 2*len(msg.Subject) + len(msg.Reply) + structBytes
	if len(msg.Header) > 0 {
		n += headersBytes
	}
	for name, values := range msg.Header {
		for _, value := range values {
			n += len(name) + 2*len(value) + int(unsafe.Sizeof(pipeline.Header{}))
		}
	}
	return n
}
