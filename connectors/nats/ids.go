package nats

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// IDOptions say how messages are named. A stream stores two messages of one id,
// its Nats-Msg-Id, once, as long as they come within its duplicates window. So
// an id must be the same when a message is written again, and nobody else may
// be able to tell it in advance: a stranger's message under the id that comes
// next would take the place of ours.
type IDOptions struct {
	// Secret is the key of the ids. All processes that write one route have the
	// same. Zero stands for a random one: then a message that another process
	// wrote before is stored twice.
	Secret [32]byte
	// Place returns how positions name a place of the pipeline: the source and
	// the partition in it; a zero source for a place that they cannot name. Nil
	// takes the place's own name.
	Place func(place string) (source [5]byte, partition uint32)
	// Keys tells sets of key encryption keys apart: a second run with another
	// key writes other messages.
	Keys [8]byte
	// DeadLetters says that the messages are dead letters.
	DeadLetters bool
}

const (
	// idSize is the length of an id in bytes.
	idSize = 24
	idName = "streamcrypt/1 msg-id"
)

// idMaker makes ids. One goroutine uses it.
type idMaker struct {
	o      IDOptions
	stream string
	mac    hash.Hash
	buf    []byte
	place  string // the last one
	known  bool
	source [5]byte // of that place, with its partition
	part   uint32
	sum    [sha256.Size]byte
	random map[randomKey]string // of messages without a place, of one Write
}

func newIDMaker(o IDOptions, stream string) *idMaker {
	return &idMaker{o: o, stream: stream, mac: hmac.New(sha256.New, o.Secret[:])}
}

// makeID returns the id of a message (docs/envelope.md, NATS). try counts the
// ids that turned out to be somebody else's.
func (m *idMaker) makeID(o pipeline.Origin, subject string, try uint32) string {
	if try > 0 {
		return m.makePartID(o, subject, ^uint32(0)-(try-1))
	}
	return m.makePartID(o, subject, 0)
}

// makePartID is makeID for a part of a message; part 0 is the whole one.
func (m *idMaker) makePartID(o pipeline.Origin, subject string, part uint32) string {
	m.findPlace(o.Place)
	b := append(m.buf[:0], 0x8a) // an array of 10
	b = appendText(b, idName)
	b = appendUint(b, 0, uint64(m.purpose()))
	b = append(appendUint(b, 2, uint64(len(m.source))), m.source[:]...)
	b = appendUint(b, 0, uint64(m.part))
	b = appendUint(b, 0, uint64(max(o.Offset, 0)))
	b = appendUint(b, 0, o.Term)
	b = appendText(appendText(b, m.stream), subject)
	b = appendUint(b, 0, uint64(part))
	b = append(appendUint(b, 2, uint64(len(m.o.Keys))), m.o.Keys[:]...)
	m.buf = b
	m.mac.Reset()
	m.mac.Write(b)
	return base64.RawURLEncoding.EncodeToString(m.mac.Sum(m.sum[:0]))[:idSize]
}

// findPlace finds the source and the partition of a place.
func (m *idMaker) findPlace(place string) {
	if !m.known || m.place != place {
		m.source, m.part = m.o.placeOf(place)
		m.place, m.known = place, true
	}
}

const (
	maxOffset    = 1<<48 - 1
	maxPartition = 1<<16 - 1
)

// isPlaced tells whether a position can name the place of a message. Without
// one, two messages could have the same id.
func (m *idMaker) isPlaced(o *pipeline.Origin) bool {
	m.findPlace(o.Place)
	return m.source != [5]byte{} && m.part <= maxPartition &&
		o.Offset >= 0 && o.Offset <= maxOffset && o.Term < maxTerm
}

// randomID returns the id of a message without a place: the same for one try of
// one message of a Write, and another one after forgetRandom.
func (m *idMaker) randomID(index int, try uint32) string {
	key := randomKey{index, try}
	id, ok := m.random[key]
	if !ok {
		var b [randomIDSize]byte
		_, _ = rand.Read(b[:]) // it never fails
		id = base64.RawURLEncoding.EncodeToString(b[:])
		if m.random == nil {
			m.random = map[randomKey]string{}
		}
		m.random[key] = id
	}
	return id
}

// forgetRandom forgets the random ids of a Write.
func (m *idMaker) forgetRandom() { clear(m.random) }

// randomIDSize makes a random id as long as the others, in base64url.
const randomIDSize = 18

type randomKey struct {
	index int
	try   uint32
}

func (m *idMaker) purpose() int {
	if m.o.DeadLetters {
		return 1
	}
	return 0
}

func (o *IDOptions) placeOf(place string) (source [5]byte, partition uint32) {
	if o.Place != nil {
		return o.Place(place)
	}
	sum := sha256.Sum256([]byte(place))
	return [5]byte(sum[:]), 0
}

// withSecret fills in a random secret if there is none.
func (o IDOptions) withSecret() IDOptions {
	if o.Secret == [32]byte{} {
		_, _ = rand.Read(o.Secret[:]) // it never fails
	}
	return o
}

// appendUint appends an unsigned integer in deterministic CBOR (RFC 8949,
// section 4.2.1) as the head of a major type.
func appendUint(b []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n < 1<<8:
		return append(b, major|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func appendText(b []byte, s string) []byte { return append(appendUint(b, 3, uint64(len(s))), s...) }
