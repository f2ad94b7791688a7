// Package transform fits the envelope to the pipeline: it turns a pipeline.Message into the envelope's payload, binding
// and position and back, and keeps the Gate, which looks at positions in order.
//
// It must not know brokers or formats: which hash stands for a place, how subjects map and what a destination can
// carry are functions in its options, and what an envelope's bytes are is package envelope's business.
package transform

import (
	"errors"
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// HeaderName is the header in which a tombstone carries its envelope. It is never bound.
const HeaderName = "streamcrypt"

// Place is how a pipeline place is written into positions.
type Place struct {
	ID      [7]byte // zero: no source is recorded
	Ordered bool    // the place is read in the order of its offsets
}

// Common are the options that both directions share. The functions are called by many goroutines.
type Common struct {
	Bind []string // names of the headers that are bound
	// Subject appends to dst the subject under which the message is published on the way out; a message for which it
	// appends nothing has none. nil leaves subjects as they are.
	Subject func(dst, subject []byte) ([]byte, error)
}

// bindNames sorts the names to bind and refuses what cannot be bound.
func bindNames(names []string) ([]string, error) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	for _, name := range names {
		switch name {
		case "":
			return nil, errors.New("a header to bind has no name")
		case HeaderName:
			return nil, fmt.Errorf("header %q cannot be bound", HeaderName)
		}
	}
	return names, nil
}

// scratch is the memory of one worker for what Append adds beside the value. It is reused from Reset on.
type scratch struct {
	bytes   []byte
	headers []pipeline.Header
	bound   []envelope.Bound
}

func newScratch(bind []string) scratch {
	s := scratch{bound: make([]envelope.Bound, len(bind))}
	for i, name := range bind {
		s.bound[i].Name = name
	}
	return s
}

func (s *scratch) reset() {
	clear(s.headers)
	s.headers, s.bytes = s.headers[:0], s.bytes[:0]
}

// bind collects the values of the bound headers, valid until the next call.
func (s *scratch) bind(headers []pipeline.Header) []envelope.Bound {
	for i := range s.bound {
		b := &s.bound[i]
		b.Values = b.Values[:0]
		for j := range headers {
			if headers[j].Name == b.Name {
				b.Values = append(b.Values, headers[j].Value)
			}
		}
	}
	return s.bound
}

// with returns headers and one more, in memory of its own: a batch's header arrays are shared.
func (s *scratch) with(headers []pipeline.Header, h pipeline.Header) []pipeline.Header {
	start := len(s.headers)
	s.headers = append(append(s.headers, headers...), h)
	return s.headers[start:len(s.headers):len(s.headers)]
}

// copy returns headers that may be changed.
func (s *scratch) copy(headers []pipeline.Header) []pipeline.Header {
	start := len(s.headers)
	s.headers = append(s.headers, headers...)
	return s.headers[start:len(s.headers):len(s.headers)]
}

// without returns headers but for the one at index i.
func (s *scratch) without(headers []pipeline.Header, i int) []pipeline.Header {
	start := len(s.headers)
	s.headers = append(append(s.headers, headers[:i]...), headers[i+1:]...)
	return s.headers[start:len(s.headers):len(s.headers)]
}

// subject maps m's subject.
func (s *scratch) subject(o *Common, m *pipeline.Message) error {
	if o.Subject == nil {
		return nil
	}
	start := len(s.bytes)
	out, err := o.Subject(s.bytes, m.Subject)
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

// find returns the index of the first header of the reserved name, and how many there are.
func find(headers []pipeline.Header) (index, count int) {
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

// reject makes a *pipeline.Reject of an envelope's refusal and passes on every other error.
func reject(err error) error {
	if refused, ok := errors.AsType[*envelope.Error](err); ok {
		return &pipeline.Reject{Reason: pipeline.Reason(refused.Reason), Err: err}
	}
	return err
}
