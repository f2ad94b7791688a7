package nats

import (
	"encoding/json"
	"math"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// pubAck is the server's answer to a publish.
type pubAck struct {
	stream    string
	sequence  uint64 // of the message, or of the last one of a batch
	duplicate bool
	batch     string // the id of the batch that it ends
	count     uint64 // how many messages that has
}

// readAnswer reads an answer to a publish. persisted says that it is empty,
// which is how the server answers a message of a batch that goes on. stream is
// the name that the answer likely has: equal names are not copied.
func readAnswer(msg *natsgo.Msg, stream string) (ack pubAck, persisted bool, err error) {
	if len(msg.Data) == 0 {
		if msg.Header.Get(statusHeader) == statusNoResponders {
			return ack, false, jetstream.ErrNoStreamResponse
		}
		return ack, len(msg.Header) == 0, nil
	}
	if ack, ok := scanPubAck(msg.Data, stream); ok {
		return ack, false, nil
	}
	ack, err = decodePubAck(msg.Data)
	return ack, false, err
}

// decodePubAck reads an answer in any form that JSON allows.
func decodePubAck(data []byte) (pubAck, error) {
	var is struct {
		Error     *jetstream.APIError `json:"error"`
		Stream    string              `json:"stream"`
		Sequence  uint64              `json:"seq"`
		Duplicate bool                `json:"duplicate"`
		Batch     string              `json:"batch"`
		Count     uint64              `json:"count"`
	}
	switch err := json.Unmarshal(data, &is); {
	case err != nil:
		return pubAck{}, jetstream.ErrInvalidJSAck
	case is.Error != nil:
		return pubAck{}, is.Error
	case is.Stream == "":
		return pubAck{}, jetstream.ErrInvalidJSAck
	}
	return pubAck{
		stream: is.Stream, sequence: is.Sequence, duplicate: is.Duplicate, batch: is.Batch, count: is.Count,
	}, nil
}

// scanPubAck reads an answer in the form in which servers write it:
//
//	{"stream":"S","domain":"D","seq":N,"duplicate": true}
//	{"stream":"S","domain":"D","seq":N,"batch":"B","count":N}
//
// with domain and duplicate where they apply. It takes no other
// form: ok is false, and a JSON decoder has the say. There is one answer to
// each message, and a decoder takes longer for it than the rest of the publish.
func scanPubAck(data []byte, stream string) (ack pubAck, ok bool) {
	s := ackScanner{rest: data}
	if !s.skip(`{"stream":`) {
		return ack, false
	}
	ack.stream = s.readText(stream)
	if s.skip(`,"domain":`) {
		s.readText("")
	}
	if !s.skip(`,"seq":`) {
		return ack, false
	}
	ack.sequence = s.readNumber()
	ack.duplicate = s.skip(`,"duplicate": true`) || s.skip(`,"duplicate":true`)
	if s.skip(`,"batch":`) {
		ack.batch = s.readText("")
	}
	if s.skip(`,"count":`) {
		ack.count = s.readNumber()
	}
	ok = s.skip("}") && len(s.rest) == 0 && !s.failed && ack.stream != ""
	return ack, ok
}

// ackScanner reads an answer from front to back.
type ackScanner struct {
	rest   []byte
	failed bool
}

// skip takes a text off if it comes next.
func (s *ackScanner) skip(text string) bool {
	if len(s.rest) < len(text) || string(s.rest[:len(text)]) != text {
		return false
	}
	s.rest = s.rest[len(text):]
	return true
}

// readText takes a string off that has nothing but printable ASCII characters
// and no escapes. A string that is equal to known is not copied.
func (s *ackScanner) readText(known string) string {
	if !s.skip(`"`) {
		s.failed = true
		return ""
	}
	for i, c := range s.rest {
		switch {
		case c == '"':
			text := s.rest[:i]
			s.rest = s.rest[i+1:]
			if string(text) == known {
				return known
			}
			return string(text)
		case c < ' ' || c > '~' || c == '\\':
			s.failed = true
			return ""
		}
	}
	s.failed = true
	return ""
}

// readNumber takes a decimal number off, without sign and leading zeros.
func (s *ackScanner) readNumber() uint64 {
	var n uint64
	digits := 0
	for digits < len(s.rest) {
		c := s.rest[digits]
		if c < '0' || c > '9' {
			break
		}
		if n > (math.MaxUint64-9)/10 {
			s.failed = true // the decoder finds out whether it fits
			return 0
		}
		n = 10*n + uint64(c-'0')
		digits++
	}
	if digits == 0 || digits > 1 && s.rest[0] == '0' {
		s.failed = true
		return 0
	}
	s.rest = s.rest[digits:]
	return n
}
