package nats

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	natsgo "github.com/nats-io/nats.go"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

const (
	// KeyHeader carries Message.Key, which NATS does not have, in base64url
	// without padding. A null key is no header, an empty key an empty header.
	KeyHeader = "Streamcrypt-Key"
	// NullHeader marks the empty payload that stands for a null Message.Value,
	// a tombstone. Its value is "value".
	NullHeader = "Streamcrypt-Null"

	// partHeader numbers the parts of a message (docs/envelope.md, NATS).
	partHeader = "Streamcrypt-Part"

	nullValue = "value"
	// statusHeader makes a client take a message without payload for a word
	// from the server, which no consumer ever sees.
	statusHeader = "Status"
)

const (
	// headerLine and headerEnd open and close the header block on the wire.
	headerLine = "NATS/1.0\r\n"
	headerEnd  = "\r\n"
	// headerExtra is what a header has on the wire besides name and value:
	// colon, space, CR, LF.
	headerExtra = 4
	// effectBytes is more than the instructions that effects become.
	effectBytes = 64
	// maxHeaderBlock is the most bytes of headers that JetStream stores.
	maxHeaderBlock = math.MaxUint16
)

var keyEncoding = base64.RawURLEncoding.Strict()

// Reserved is the closed list of headers that a Source does not pass on. A
// publisher instructs the server with them (store once, expire, purge,
// schedule, batch), or the server says with them where a message was before;
// neither means anything in another stream.
func Reserved() []string { return slices.Clone(reservedNames) }

var reservedNames = []string{
	"Nats-Batch-Commit", "Nats-Batch-Id", "Nats-Batch-Sequence",
	"Nats-Consumer-Stalled", "Nats-Counter-Sources",
	"Nats-Expected-Last-Msg-Id", "Nats-Expected-Last-Sequence",
	"Nats-Expected-Last-Subject-Sequence", "Nats-Expected-Last-Subject-Sequence-Subject",
	"Nats-Expected-Stream",
	"Nats-Incr",
	"Nats-Last-Consumer", "Nats-Last-Sequence", "Nats-Last-Stream",
	"Nats-Marker-Reason", "Nats-Msg-Id", "Nats-Msg-Size",
	"Nats-Num-Pending",
	"Nats-Pending-Bytes", "Nats-Pending-Messages", "Nats-Pin-Id",
	"Nats-Request-Info", "Nats-Required-Api-Level", "Nats-Response-Type", "Nats-Rollup",
	"Nats-Schedule", "Nats-Schedule-Next", "Nats-Schedule-Rollup", "Nats-Schedule-Source",
	"Nats-Schedule-Target", "Nats-Schedule-Time-Zone", "Nats-Schedule-TTL", "Nats-Scheduler",
	"Nats-Sequence", "Nats-Stream", "Nats-Stream-Source", "Nats-Subject",
	"Nats-Time-Stamp",
	"Nats-Trace-Dest", "Nats-Trace-Hop", "Nats-Trace-Only", "Nats-Trace-Origin-Account",
	"Nats-TTL",
	"Nats-UpTo-Sequence",
}

// isOurs tells whether a destination would take a header for an instruction,
// from its server or from a streamcrypt that reads it. The prefix covers what
// servers to come may add.
func isOurs(name string) bool {
	const nats = "Nats-"
	if len(name) >= len(nats) && strings.EqualFold(name[:len(nats)], nats) {
		return true
	}
	for _, own := range [...]string{KeyHeader, NullHeader, partHeader, rollupEffect, ttlEffect, idEffect} {
		if strings.EqualFold(name, own) {
			return !isEffect(name)
		}
	}
	return false
}

// CheckHeaders tells whether NATS gives back the headers of m as they are. Its
// error is a *pipeline.Reject:
//
//	header           a null value; a value with CR or LF, or with a space or tab at either end;
//	                 a name with other characters than NATS allows; more than 65,535 bytes in all
//	reserved-header  a name that begins with Nats-, or that is one of ours and no effect
func CheckHeaders(m *pipeline.Message) error {
	for _, h := range m.Headers {
		if err := checkOneHeader(h); err != nil {
			return err
		}
	}
	if n := headerBytes(m); n > maxHeaderBlock {
		return rejectHeader("header", "headers of %d bytes; JetStream stores %d", n, maxHeaderBlock)
	}
	return nil
}

func checkOneHeader(h pipeline.Header) error {
	switch v := h.Value; {
	case !validName(h.Name):
		return rejectHeader("header", "a header name that NATS cannot carry")
	case isOurs(h.Name):
		return rejectHeader("reserved-header", "header %s is an instruction at the destination", h.Name)
	case v == nil:
		return rejectHeader("header", "header %s is null, which NATS cannot carry", h.Name)
	case len(v) > 0 && (isBlank(v[0]) || isBlank(v[len(v)-1])):
		return rejectHeader("header", "header %s has a space at its beginning or end, which NATS removes", h.Name)
	case slices.ContainsFunc(v, func(c byte) bool { return c == '\r' || c == '\n' }):
		return rejectHeader("header", "header %s has a line break, which NATS cannot carry", h.Name)
	}
	if isEffect(h.Name) {
		return checkEffects(h)
	}
	return nil
}

// validName is the client library's rule, which is narrower than the
// protocol's.
func validName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' || strings.IndexByte("\"()/,:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	return name != ""
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func rejectHeader(reason pipeline.Reason, format string, args ...any) error {
	return &pipeline.Reject{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// headerBytes is how long the header block of m is on the wire, with our own
// headers and a Nats-Msg-Id.
func headerBytes(m *pipeline.Message) int {
	n := len(headerLine) + len(headerEnd) + len("Nats-Msg-Id") + idSize + headerExtra
	for _, h := range m.Headers {
		n += len(h.Name) + len(h.Value) + headerExtra
	}
	if m.Key != nil {
		n += len(KeyHeader) + keyEncoding.EncodedLen(len(m.Key)) + headerExtra
	}
	n += effectBytes
	if m.Value == nil {
		n += len(NullHeader) + len(nullValue) + headerExtra
	}
	return n
}

// messageBytes is how long m is on the wire.
func messageBytes(m *pipeline.Message) int { return len(m.Value) + headerBytes(m) }

// groupBytes is how long the messages of these indices are together.
func groupBytes(msgs []pipeline.Message, group []int) int {
	size := 0
	for _, i := range group {
		size += messageBytes(&msgs[i])
	}
	return size
}

// encodeHeaders makes the headers under which m is published, without the id.
func encodeHeaders(m *pipeline.Message) natsgo.Header {
	headers := make(natsgo.Header, len(m.Headers)+3)
	fillHeaders(headers, m)
	return headers
}

// fillHeaders is encodeHeaders into headers that are empty.
func fillHeaders(headers natsgo.Header, m *pipeline.Message) {
	for _, h := range m.Headers {
		headers[h.Name] = append(headers[h.Name], string(h.Value))
	}
	if m.Key != nil {
		headers[KeyHeader] = []string{keyEncoding.EncodeToString(m.Key)}
	}
	if m.Value == nil && !isTombstone(natsgo.Header{operationHeader: headers[operationHeader]}) {
		headers[NullHeader] = []string{nullValue}
	}
}

var errNoKey = errors.New("not a key of ours")

// decodeKey appends the key in headers to dst. What is not a key of ours stays
// an ordinary header: a destination will refuse it, and nothing is taken for a
// null key.
func decodeKey(dst []byte, headers natsgo.Header) ([]byte, error) {
	values := headers[KeyHeader]
	// The decoder would pass over line breaks, and one key would have many
	// encodings.
	if len(values) != 1 || strings.ContainsAny(values[0], "\r\n") {
		return dst, errNoKey
	}
	return keyEncoding.AppendDecode(dst, []byte(values[0]))
}

// isNull tells whether a message stands for a null value.
func isNull(headers natsgo.Header, payload []byte) bool {
	if len(payload) > 0 || len(headers) == 0 {
		return false
	}
	values := headers[NullHeader]
	return len(values) == 1 && values[0] == nullValue || isTombstone(headers)
}
