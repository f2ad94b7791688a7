// Package topicname makes a name from that of a topic: of the topic that its
// messages are written to, or of the context that they are bound to.
//
// A template has one placeholder: {topic} stands for the name, {topic-SUFFIX}
// for the name without its end. The package must not know which names a broker
// or an envelope accepts.
package topicname

import (
	"fmt"
	"strings"
)

// placeholder begins the part that stands for the topic.
const placeholder = "{topic"

// Template makes names. The zero Template makes the empty name.
type Template struct {
	text           string
	mapped         bool // there is a placeholder
	before, behind string
	strip          string // from the end of the topic's name
}

// Parse reads a template, or a name without a placeholder.
func Parse(text string) (Template, error) {
	t := Template{text: text}
	before, rest, mapped := strings.Cut(text, placeholder)
	if !mapped {
		return t, nil
	}
	inner, behind, closed := strings.Cut(rest, "}")
	strip, strips := strings.CutPrefix(inner, "-")
	switch {
	case !closed || inner != "" && !strips || strips && strip == "":
		return t, fmt.Errorf("%q has a placeholder that is neither {topic} nor {topic-SUFFIX}", text)
	case strings.Contains(behind, placeholder):
		return t, fmt.Errorf("%q has more than one placeholder", text)
	}
	t.mapped, t.before, t.behind, t.strip = true, before, behind, strip
	return t, nil
}

// String returns the text that was parsed.
func (t *Template) String() string { return t.text }

// IsMapped tells whether names depend on the topic.
func (t *Template) IsMapped() bool { return t.mapped }

// Shortens tells whether something is taken off the end of a topic's name.
func (t *Template) Shortens() bool { return t.strip != "" }

// NameFor returns the name for a topic. It is an error if the topic does not
// have the end which is to be taken off.
func (t *Template) NameFor(topic string) (string, error) {
	if !t.mapped {
		return t.text, nil
	}
	stem, ok := strings.CutSuffix(topic, t.strip)
	if !ok || stem == "" {
		return "", fmt.Errorf("topic %s: %s takes %s off the end of a name, and this one has no such end",
			topic, t.text, t.strip)
	}
	return t.before + stem + t.behind, nil
}

// Sample returns the name for a topic of which stem is left when its end is
// taken off.
func (t *Template) Sample(stem string) string { return t.before + stem + t.behind }

// Rebase returns the template that makes, of a name of t, the name which the
// template text makes of the same topic. It is false if t puts something in
// front of a topic's name, which no template takes off, or if text takes an end
// off that the names have no more.
func (t *Template) Rebase(text string) (rebased string, ok bool) {
	of, err := Parse(text)
	if err != nil || !of.mapped {
		return text, err == nil
	}
	if !t.mapped || t.before != "" {
		return "", false
	}
	// A name of t is stem + t.behind, and its topic stem + t.strip.
	strip, behind := t.behind, ""
	if cut, longer := strings.CutSuffix(of.strip, t.strip); longer {
		strip = cut + strip
	} else if behind, ok = strings.CutSuffix(t.strip, of.strip); !ok {
		return "", false
	}
	inner := placeholder + "}"
	if strip != "" {
		inner = placeholder + "-" + strip + "}"
	}
	return of.before + inner + behind + of.behind, true
}

// SourceOf returns the topic for which NameFor returns name. It is false if
// there is none, or if all topics have one name.
func (t *Template) SourceOf(name string) (topic string, ok bool) {
	stem, ok := strings.CutPrefix(name, t.before)
	if ok {
		stem, ok = strings.CutSuffix(stem, t.behind)
	}
	if !ok || stem == "" || !t.mapped {
		return "", false
	}
	return stem + t.strip, true
}
