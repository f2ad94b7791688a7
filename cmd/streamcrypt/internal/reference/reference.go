// Package reference describes the URLs that a program takes: for help, as text,
// and for docs/urls.md, as Markdown. Everything that it says of a URL comes
// from the table of the room that reads the URL.
//
// The package must not know any kind of URL.
package reference

import (
	"cmp"
	"slices"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
)

// Topic is one page of help: kinds of URL that belong together.
type Topic struct {
	Name    string // as people ask for it
	Text    string // the topic in a few words
	Entries []Entry
}

// Entry is one kind of URL.
type Entry struct {
	Form     string
	Text     string // one sentence, without the full stop
	Notes    string // further sentences; may be empty
	Sections []Section
}

// Section is a list of parameters.
type Section struct {
	Title  string
	Params []address.Param
}

// KeysTopic is the name of the topic of keys.
const KeysTopic = "keys"

// NewTopics returns the topics: one for each scheme of an end, and one for all
// keys and their stores.
func NewTopics(ends endpoint.Table) []Topic {
	var topics []Topic
	for i := range ends {
		s := &ends[i]
		topics = append(topics, Topic{Name: s.Name, Text: s.Text, Entries: []Entry{newEntry(s)}})
	}
	keys := Topic{Name: KeysTopic, Text: "keys, and stores of key records"}
	for _, k := range keyring.Kinds() {
		e := Entry{Form: k.Form, Text: k.Text, Notes: k.Notes}
		if params := k.Params(); len(params) > 0 {
			e.Sections = []Section{{Title: "Parameters", Params: params}}
		}
		keys.Entries = append(keys.Entries, e)
	}
	keys.Entries = append(keys.Entries, Entry{Form: keyring.StoreForm, Text: keyring.StoreText})
	return append(topics, keys)
}

// roles are the roles of an end, as sections name them. Looking takes the same
// parameters as reading.
var roles = []struct {
	title string
	role  endpoint.Role
}{
	{"As a source", endpoint.From}, {"as a destination", endpoint.To}, {"for dead letters", endpoint.DeadLetters},
}

// newEntry describes a scheme: one section for all parameters that are the same
// in the same roles.
func newEntry(s *endpoint.Scheme) Entry {
	e := Entry{Form: s.Form, Text: s.Text, Notes: s.Notes}
	params := listParams(s)
	for i := range roles {
		for _, d := range params[i] {
			in := findRoles(params, d)
			if in[0] != i {
				continue // an earlier role has it
			}
			title := titleRoles(in)
			at := slices.IndexFunc(e.Sections, func(section Section) bool { return section.Title == title })
			if at < 0 {
				at = len(e.Sections)
				e.Sections = append(e.Sections, Section{Title: title})
			}
			e.Sections[at].Params = append(e.Sections[at].Params, d)
		}
	}
	slices.SortStableFunc(e.Sections,
		func(a, b Section) int { return cmp.Compare(orderTitle(a.Title), orderTitle(b.Title)) })
	return e
}

// listParams lists the parameters of each role. A room makes a list by reading
// a URL, so it is asked once for each role and not for each parameter.
func listParams(s *endpoint.Scheme) [][]address.Param {
	var params [][]address.Param
	for _, r := range roles {
		params = append(params, s.Params(r.role))
	}
	return params
}

// findRoles returns the indexes of the roles that have this very parameter.
func findRoles(params [][]address.Param, d address.Param) []int {
	var in []int
	for i := range roles {
		if slices.ContainsFunc(params[i], func(other address.Param) bool {
			return other.Name == d.Name && other.Text == d.Text &&
				other.Form() == d.Form() && other.Default == d.Default
		}) {
			in = append(in, i)
		}
	}
	return in
}

const allRoles = "Always"

func titleRoles(in []int) string {
	if len(in) == len(roles) {
		return allRoles
	}
	var parts []string
	for _, i := range in {
		parts = append(parts, roles[i].title)
	}
	title := strings.Join(parts, " and ")
	return strings.ToUpper(title[:1]) + title[1:]
}

// orderTitle puts the parameters of all roles last.
func orderTitle(title string) int {
	if title == allRoles {
		return 1
	}
	return 0
}
