// Package findings has the words for a look at an end or a key: how it is now,
// which rights it takes, and whether a run could use it. Packages that look
// (endpoint's rooms, keyring) fill in a Report, and the command prints it.
//
// The package must not know any kind of end or key, nor how anything is shown.
package findings

import "fmt"

// State says whether a right is there.
type State string

// The states.
const (
	Given   State = "given"
	Missing State = "missing"
	Unknown State = "unknown" // nobody was asked, or nobody tells
)

// Need is a right that a run takes.
type Need struct {
	Right string `json:"right"` // such as READ on topic orders
	State State  `json:"state"`
	// Optional says that a run does without.
	Optional bool `json:"optional,omitempty"`
	// Grant is a command or a statement that gives the right; may be empty.
	Grant string `json:"grant,omitempty"`
}

// Fact is a property that somebody wants to know before a run.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Report is the result of a look. Nothing has been changed by it.
type Report struct {
	Facts []Fact   `json:"facts,omitempty"`
	Makes []string `json:"makes,omitempty"` // things that a run would make or replace
	Needs []Need   `json:"needs,omitempty"`
	// Warnings are about a run that would start, and likely not as it is meant.
	Warnings []string `json:"warnings,omitempty"`
	// Problems are why a run would not start, or not get far.
	Problems []error `json:"-"`
}

// AddFact adds a property.
func (r *Report) AddFact(name, format string, args ...any) {
	r.Facts = append(r.Facts, Fact{name, fmt.Sprintf(format, args...)})
}

// AddProblem adds err unless it is nil.
func (r *Report) AddProblem(err error) {
	if err != nil {
		r.Problems = append(r.Problems, err)
	}
}

// IsUsable tells whether a run could begin, as far as can be known: there is no
// problem, and no right that it needs is known to be missing.
func (r *Report) IsUsable() bool {
	for _, n := range r.Needs {
		if n.State == Missing && !n.Optional {
			return false
		}
	}
	return len(r.Problems) == 0
}
