package nats

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrSubject is the error of a subject that cannot be mapped or published to.
var ErrSubject = errors.New("subject cannot be published to")

// SubjectMap says under which subject a message is published. The zero
// SubjectMap keeps the subject.
type SubjectMap struct {
	fixed  string // the subject of every message
	prefix string // put in front, with its final dot
	strip  string // taken off first, with its final dot
}

// ParseSubjectMap reads a SubjectMap. to is a subject for all messages
// ("enc.orders"), a prefix for the subject that a message has ("enc.>"), or
// empty or ">" to keep it. strip is a prefix to take off before ("plain" or
// "plain.>"), or empty; it needs a subject that is kept or prefixed.
func ParseSubjectMap(to, strip string) (SubjectMap, error) {
	var m SubjectMap
	head, wild := strings.CutSuffix(to, ".>")
	switch {
	case to == "" || to == ">":
	case !ValidSubject(head):
		return m, fmt.Errorf("subject %q: neither a subject nor a prefix followed by .>", to)
	case wild:
		m.prefix = head + "."
	default:
		m.fixed = head
	}
	if strip == "" {
		return m, nil
	}
	head = strings.TrimSuffix(strip, ".>")
	switch {
	case !ValidSubject(head):
		return m, fmt.Errorf("subject prefix %q to strip: not a subject", strip)
	case m.fixed != "":
		return m, fmt.Errorf("subject prefix %q to strip: every message is published to %q", strip, to)
	}
	m.strip = head + "."
	return m, nil
}

// String returns the rule as ParseSubjectMap reads it, without the prefix that
// is taken off before; "" if subjects stay as they are.
func (m SubjectMap) String() string {
	if m.prefix != "" {
		return m.prefix + ">"
	}
	return m.fixed
}

// Map appends the subject for a message whose own is subject, which may be nil
// if the map is fixed. Its errors match ErrSubject.
func (m SubjectMap) Map(dst, subject []byte) ([]byte, error) {
	if m.fixed != "" {
		return append(dst, m.fixed...), nil
	}
	if len(subject) == 0 {
		return dst, fmt.Errorf("%w: the message has no subject of its own, so one must be configured", ErrSubject)
	}
	if !bytes.HasPrefix(subject, []byte(m.strip)) {
		return dst, fmt.Errorf("%w: %q does not begin with %q", ErrSubject, subject, m.strip)
	}
	start := len(dst)
	dst = append(append(dst, m.prefix...), subject[len(m.strip):]...)
	if !ValidSubject(string(dst[start:])) {
		return dst[:start], fmt.Errorf("%w: %q", ErrSubject, dst[start:])
	}
	return dst, nil
}

// mapPattern returns the pattern of the subjects that Map makes of those of a
// pattern; ok is false if it makes none.
func (m SubjectMap) mapPattern(pattern string) (mapped string, ok bool) {
	rest, cut := strings.CutPrefix(pattern, m.strip)
	switch {
	case m.fixed != "":
		return m.fixed, true
	case cut:
		return m.prefix + rest, true
	}
	// Some subjects of the pattern may begin with the prefix, others not.
	return m.prefix + ">", strings.ContainsAny(pattern, "*>")
}

// Pattern is the subject, with > for the unknown part, under which messages are
// published.
func (m SubjectMap) Pattern() string {
	if m.fixed != "" {
		return m.fixed
	}
	return m.prefix + ">"
}

// ValidSubject tells whether messages can be published under s: non-empty
// tokens with dots between, without wildcards, spaces or control characters.
func ValidSubject(s string) bool {
	for token := range strings.SplitSeq(s, ".") {
		if token == "" || token == "*" || token == ">" {
			return false
		}
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// coversSubject tells whether every subject that matches pattern also matches
// by, a stream's subject.
func coversSubject(by, pattern string) bool {
	for {
		b, restB, moreB := strings.Cut(by, ".")
		p, restP, moreP := strings.Cut(pattern, ".")
		switch {
		case b == ">":
			return true
		case p == ">":
			return false
		case b != "*" && b != p:
			return false
		case !moreB || !moreP:
			return moreB == moreP
		}
		by, pattern = restB, restP
	}
}

// coversAny tells whether a pattern covers one of some subjects.
func coversAny(pattern string, subjects []string) bool {
	return slices.ContainsFunc(subjects, func(s string) bool { return coversSubject(pattern, s) })
}
