package transform

import (
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// scratch is the memory of one worker for everything that Append adds beside
// the value. It is reused from reset on.
type scratch struct {
	bytes   []byte
	headers []pipeline.Header
	bound   []envelope.Header // of the message at hand
}

func (s *scratch) reset() {
	clear(s.headers)
	clear(s.bound[:cap(s.bound)])
	s.headers, s.bytes = s.headers[:0], s.bytes[:0]
}

// bindingOf returns what an envelope of m is bound to. It is valid until the
// next call.
func (s *scratch) bindingOf(m *pipeline.Message) envelope.Binding {
	s.bound = s.bound[:0]
	for i := range m.Headers {
		s.bound = append(s.bound, envelope.Header{Name: m.Headers[i].Name, Value: m.Headers[i].Value})
	}
	return envelope.Binding{Subject: m.Subject, Key: m.Key, Headers: s.bound, Time: m.Time}
}

// addHeader returns headers and one more, in memory of its own: a batch's
// header arrays are shared.
func (s *scratch) addHeader(headers []pipeline.Header, h pipeline.Header) []pipeline.Header {
	start := len(s.headers)
	s.headers = append(append(s.headers, headers...), h)
	return s.headers[start:len(s.headers):len(s.headers)]
}

// copyHeaders returns headers that may be changed.
func (s *scratch) copyHeaders(headers []pipeline.Header) []pipeline.Header {
	start := len(s.headers)
	s.headers = append(s.headers, headers...)
	return s.headers[start:len(s.headers):len(s.headers)]
}

// keepHeaders returns the headers that pass on, of a message that was opened:
// those that are authenticated, and others if pass says so and they are no
// instruction to anybody. The header of a tombstone never does.
func (s *scratch) keepHeaders(
	headers []pipeline.Header, bind *envelope.Bind, o *envelope.Opened, pass bool,
) []pipeline.Header {
	if !o.Named && o.Bound == len(headers) {
		return headers
	}
	start, counted := len(s.headers), 0
	for i := range headers {
		name := headers[i].Name
		bound := bind.Counts(name)
		if o.Named {
			bound = bind.IsNamed(name)
		} else if bound {
			bound = counted < o.Bound
			counted++
		}
		if bound || (pass || o.Named) && !envelope.IsInstruction(name) {
			s.headers = append(s.headers, headers[i])
		}
	}
	if len(s.headers)-start == len(headers) {
		s.headers = s.headers[:start]
		return headers
	}
	return s.headers[start:len(s.headers):len(s.headers)]
}

// kvOperation is the header by which a NATS KV bucket deletes a key.
const kvOperation = "KV-Operation"

// keepPlainHeaders returns the headers that pass on, of a message that comes
// without an envelope: those that are no instruction to anybody. A bare
// tombstone may be a KV delete, which is no more than its null value says. A KV
// purge, which would delete the history too, passes as a delete.
func (s *scratch) keepPlainHeaders(
	headers []pipeline.Header, bind *envelope.Bind, isTombstone bool,
) []pipeline.Header {
	kept := s.keepHeaders(headers, bind, &envelope.Opened{}, true)
	for i := range headers {
		h := &headers[i]
		if isTombstone && h.Name == kvOperation && (string(h.Value) == "DEL" || string(h.Value) == "PURGE") {
			return s.addHeader(kept, pipeline.Header{Name: kvOperation, Value: []byte("DEL")})
		}
	}
	return kept
}

// mapSubject maps m's subject.
func (s *scratch) mapSubject(mapping MapSubject, m *pipeline.Message) error {
	if mapping == nil {
		return nil
	}
	start := len(s.bytes)
	out, err := mapping(s.bytes, m.Subject)
	if err != nil {
		return err
	}
	s.bytes = out
	m.Subject = nil // not empty: the tag tells the two apart
	if len(out) > start {
		m.Subject = out[start:len(out):len(out)]
	}
	return nil
}

// findTombstone returns the index of the first header of the reserved name, and
// how many there are.
func findTombstone(headers []pipeline.Header) (index, count int) {
	index = -1
	for i := range headers {
		if headers[i].Name == HeaderName {
			if count == 0 {
				index = i
			}
			count++
		}
	}
	return index, count
}
