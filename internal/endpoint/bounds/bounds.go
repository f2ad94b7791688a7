// Package bounds reads where a source begins (start=) and where a run over it
// ends (until=). It is the one parser of these words for all sources:
//
//	earliest              the oldest message that is there
//	latest                behind the newest message that is there now
//	sealed                behind the last message that the destination holds
//	OFFSET                this offset, or the first one after it
//	PLACE@OFFSET,...      the same, place by place, as logs name them
//	RFC 3339              the first message with this time or a later one
//	-DURATION             the same, for a time that long before now
//
// An endpoint names the forms that it serves. Every other form is refused by
// its name, and so is a word of earlier versions, with the word that has
// replaced it.
//
// The package must not know any source, nor whether a start and an end go
// together.
package bounds

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// Form is one of the forms that a bound can have.
type Form int

// The forms. The zero Form is that of a parameter that was not given.
const (
	Unset Form = iota
	Earliest
	Latest
	Sealed
	Offset
	Places
	Time // of RFC 3339, or a duration before now
)

// words are the forms as people write them.
var words = map[Form]string{
	Earliest: "earliest", Latest: "latest", Sealed: "sealed",
	Offset: "OFFSET", Places: "PLACE@OFFSET,...", Time: "TIME|-DURATION",
}

// nouns are the forms that are no words, as errors name them.
var nouns = map[Form]string{Offset: "an offset", Places: "an offset for each place", Time: "a time"}

// Bound is a start or an end.
type Bound struct {
	Form   Form
	Offset int64        // of form Offset
	Places []PlaceBound // of form Places, in the order in which they were given
	Time   time.Time    // of form Time
}

// PlaceBound is the bound of one place.
type PlaceBound struct {
	Place  string
	Offset int64
}

// ByPlace returns the offsets of form Places; nil for every other form.
func (b *Bound) ByPlace() map[string]int64 {
	if b.Form != Places {
		return nil
	}
	offsets := make(map[string]int64, len(b.Places))
	for _, p := range b.Places {
		offsets[p.Place] = p.Offset
	}
	return offsets
}

// Spec says how an endpoint uses a bound.
type Spec struct {
	// Text and Default are those of address.Param.
	Text, Default string
	// Serves are the forms that the endpoint can do, in the order in which
	// help lists them.
	Serves []Form
	// Least is the least offset that makes sense.
	Least int64
}

// ReadStart reads the parameter start.
func ReadStart(p *address.Params, s Spec) Bound {
	return s.read(p, "start", map[string]string{"beginning": "earliest", "new": "latest"})
}

// ReadUntil reads the parameter until.
func ReadUntil(p *address.Params, s Spec) Bound {
	return s.read(p, "until", map[string]string{"end": "latest"})
}

// read reads a parameter. Errors are left with p.
func (s Spec) read(p *address.Params, name string, replaced map[string]string) Bound {
	forms := make([]string, len(s.Serves))
	for i, form := range s.Serves {
		forms[i] = words[form]
	}
	text := p.ReadText(address.Param{Name: name, Text: s.Text, Values: strings.Join(forms, "|"), Default: s.Default})
	if text == "" {
		return Bound{}
	}
	b, ok := parseBound(text, time.Now())
	advice := s.describe(name)
	switch {
	case replaced[text] != "":
		p.Fail(name, fmt.Errorf("%s=%s is now %s=%s", name, text, name, replaced[text]))
	case !ok:
		p.Fail(name, &hint.Error{Err: fmt.Errorf("%q is no position", text), Hint: advice})
	case !slices.Contains(s.Serves, b.Form):
		p.Fail(name, &hint.Error{Err: fmt.Errorf("%s is not served here", cmp.Or(nouns[b.Form], words[b.Form])),
			Hint: advice})
	case b.Form == Offset && b.Offset < s.Least:
		p.Fail(name, &hint.Error{Err: fmt.Errorf("offset %d is below %d", b.Offset, s.Least), Hint: advice})
	default:
		return b
	}
	return Bound{}
}

// parseBound reads a text of any form.
func parseBound(text string, now time.Time) (Bound, bool) {
	for _, form := range []Form{Earliest, Latest, Sealed} {
		if text == words[form] {
			return Bound{Form: form}, true
		}
	}
	if offset, err := parseOffset(text); err == nil {
		return Bound{Form: Offset, Offset: offset}, true
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return Bound{Form: Time, Time: at}, true
	}
	if back, found := strings.CutPrefix(text, "-"); found {
		ago, err := time.ParseDuration(back)
		return Bound{Form: Time, Time: now.Add(-ago)}, err == nil && ago > 0
	}
	places, err := parsePlaces(text)
	return Bound{Form: Places, Places: places}, err == nil
}

func parseOffset(text string) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	return int64(n), err
}

var errPlaces = errors.New("not a list of PLACE@OFFSET")

// parsePlaces reads PLACE@OFFSET,... where no place stands twice.
func parsePlaces(text string) ([]PlaceBound, error) {
	var places []PlaceBound
	for pair := range strings.SplitSeq(text, ",") {
		at := strings.LastIndexByte(pair, '@')
		if at <= 0 {
			return nil, errPlaces
		}
		b := PlaceBound{Place: pair[:at]}
		var err error
		if b.Offset, err = parseOffset(pair[at+1:]); err != nil {
			return nil, errPlaces
		}
		if slices.ContainsFunc(places, func(other PlaceBound) bool { return other.Place == b.Place }) {
			return nil, errPlaces
		}
		places = append(places, b)
	}
	return places, nil
}

// describe lists the forms that are served, for a hint.
func (s Spec) describe(name string) string {
	offset := "an offset"
	if s.Least > 0 {
		offset = fmt.Sprintf("an offset from %d", s.Least)
	}
	var parts []string
	for _, form := range s.Serves {
		switch form {
		case Offset:
			parts = append(parts, offset)
		case Places:
			parts = append(parts, "PLACE@OFFSET,...")
		case Time:
			parts = append(parts, "a time such as 2006-01-02T15:04:05Z", "or -36h for that long ago")
		default:
			parts = append(parts, words[form])
		}
	}
	return name + "= is " + strings.Join(parts, ", ")
}
