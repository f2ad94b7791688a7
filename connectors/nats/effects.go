package nats

import (
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Headers with an effect. A publisher instructs the server with Nats-Rollup and
// Nats-TTL, and names a message with Nats-Msg-Id. In a copy they are as
// necessary: without them a secret that was purged stays readable in it. As
// Nats-* headers a stranger could add or change them on the way, so they travel
// under names of ours, to which envelopes are bound (docs/envelope.md, NATS):
//
//	plaintext stream   Nats-Rollup          Nats-TTL          Nats-Msg-Id
//	sealed stream      Streamcrypt-Rollup,  Streamcrypt-TTL,  Streamcrypt-Msg-Id;
//	                   Nats-Rollup          Nats-TTL          an id of ours
//	decrypted stream   Nats-Rollup          Nats-TTL          Nats-Msg-Id
//
// TTL is the time that is left when the message is read; never below a second,
// since the server takes no less.
//
// A marker that the server made (Nats-Marker-Reason), because a message expired
// or was purged, is a purge of its subject.
const (
	rollupEffect = "Streamcrypt-Rollup"
	ttlEffect    = "Streamcrypt-TTL"
	idEffect     = "Streamcrypt-Msg-Id"

	rollupHeader    = "Nats-Rollup"
	ttlHeader       = "Nats-TTL"
	markerHeader    = "Nats-Marker-Reason"
	operationHeader = "KV-Operation"
	// envelopeHeader carries the envelope of a tombstone.
	envelopeHeader = "streamcrypt"

	operationDelete = "DEL"
	operationPurge  = "PURGE"
	rollupSubject   = "sub"
	rollupAll       = "all"
	markerRemoved   = "Remove"
	ttlNever        = "never"
	leastTTL        = time.Second
	// maxProducerID is the longest id of a producer that is given back.
	maxProducerID = 256
)

// isEffect tells whether a header has an effect at the destination.
func isEffect(name string) bool { return name == rollupEffect || name == ttlEffect || name == idEffect }

// first returns the first value of a header, whose name is exact.
func first(h natsgo.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// isTombstone tells whether a message without payload stands for a null value.
func isTombstone(h natsgo.Header) bool {
	switch first(h, operationHeader) {
	case operationDelete, operationPurge:
		return true
	}
	return len(h[markerHeader]) > 0 || len(h[envelopeHeader]) > 0
}

// effects are what a message says to the server.
type effects struct{ rollup, ttl, id, operation string }

// readEffects reads the effects of a message in a plaintext stream, or of a
// marker.
func readEffects(h natsgo.Header, stored time.Time, sealed bool) (e effects) {
	marker := first(h, markerHeader)
	if marker == "" && sealed {
		return e // they travel under names of ours
	}
	e.ttl = leftOf(first(h, ttlHeader), stored)
	if marker != "" {
		e.rollup, e.operation = rollupSubject, operationPurge
		if marker == markerRemoved {
			e.operation = operationDelete
		}
		return e
	}
	e.rollup, e.id = first(h, rollupHeader), first(h, natsgo.MsgIdHdr)
	return e
}

// leftOf returns how much of a TTL is left of a message, as a header has it; ""
// if it has none, or one that no server takes.
func leftOf(ttl string, stored time.Time) string {
	if ttl == "" || ttl == ttlNever {
		return ttl
	}
	whole, err := time.ParseDuration(ttl)
	if seconds, wrong := strconv.ParseInt(ttl, 10, 32); wrong == nil {
		whole, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || whole < leastTTL {
		return ""
	}
	age := max(0, time.Since(stored)) // clocks of servers may differ
	left := max(whole-age, leastTTL)
	return strconv.FormatInt(int64((left+time.Second-1)/time.Second), 10) + "s"
}

// addEffects appends the headers of a message's effects, sorted by name with
// those that are there.
func (b *batch) addEffects(e effects) {
	for _, h := range [...]struct{ name, value string }{
		{operationHeader, e.operation}, {idEffect, e.id}, {rollupEffect, e.rollup}, {ttlEffect, e.ttl},
	} {
		if h.value != "" {
			b.headers = append(b.headers, pipeline.Header{Name: h.name, Value: b.keepString(h.value)})
		}
	}
}

// applyEffects turns the effects in the headers of m into instructions for the
// server, unless they are dead letters. Where messages are decrypted, what
// travelled under names of ours is taken off.
func (s *Sink) applyEffects(headers natsgo.Header, m *pipeline.Message) {
	if s.IDs.DeadLetters {
		return // a purge that was set aside purges no other dead letter
	}
	rollup, ttl := first(headers, rollupEffect), first(headers, ttlEffect)
	if s.Plain {
		delete(headers, rollupEffect)
		delete(headers, ttlEffect)
		delete(headers, idEffect)
		ttl = leftOf(ttl, m.Time)
	}
	if rollup != "" && s.stream.Config.AllowRollup {
		headers[rollupHeader] = []string{rollup}
	}
	if ttl != "" && s.stream.Config.AllowMsgTTL {
		headers[ttlHeader] = []string{ttl}
	}
}

// rollupOf returns the rollup among the effects of m; "" if it has none.
func rollupOf(m *pipeline.Message) string {
	for _, h := range m.Headers {
		if h.Name == rollupEffect {
			return string(h.Value)
		}
	}
	return ""
}

// producerID returns the id that the producer of m gave it, if it is given
// back.
func (s *Sink) producerID(m *pipeline.Message) string {
	if !s.Plain {
		return ""
	}
	for _, h := range m.Headers {
		if h.Name == idEffect && len(h.Value) <= maxProducerID {
			return string(h.Value)
		}
	}
	return ""
}

// checkEffects refuses effects that the server would refuse, which it could not
// tell from a fault of the stream.
func checkEffects(h pipeline.Header) error {
	value := string(h.Value)
	switch {
	case h.Name == rollupEffect && value != rollupSubject && value != rollupAll,
		h.Name == ttlEffect && leftOf(value, time.Now()) == "",
		h.Name == idEffect && value == "":
		return rejectHeader("header", "header %s has a value that no server takes", h.Name)
	}
	return nil
}

// hideOurName changes a name that a user gave a header of a plaintext stream
// and that is ours: it is then refused as reserved, and not taken for an
// effect.
func hideOurName(name string) string {
	if isEffect(name) {
		return strings.ToLower(name)
	}
	return name
}
