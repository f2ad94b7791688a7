package address

import (
	"fmt"
	"slices"
	"strings"
)

// Param declares a parameter: everything that help, completion and
// docs/urls.md say of it.
type Param struct {
	Name string
	// Text is the purpose of the parameter in one sentence, without the full
	// stop.
	Text string
	// Values is the form of a value, such as NAME. FILE has a shell complete
	// the names of files. It is not needed beside Words.
	Values string
	// Words are the values where these are all there is.
	Words []string
	// Default is the value that holds without the parameter. A text in
	// parentheses describes the behaviour instead, and there is no value.
	Default string
}

// File is the form of a value that names a local file.
const File = "FILE"

// Form returns the values as people read them: a|b|c, or NAME.
func (d Param) Form() string {
	if d.Words != nil {
		return strings.Join(d.Words, "|")
	}
	return d.Values
}

// ListWords returns the values that are words: Words, or those of Values that
// have no capital letter, such as latest in latest|OFFSET.
func (d Param) ListWords() []string {
	if d.Words != nil {
		return slices.Clone(d.Words)
	}
	return slices.DeleteFunc(strings.Split(d.Values, "|"),
		func(form string) bool { return form != strings.ToLower(form) })
}

// DefaultText returns the default as people read it, without parentheses.
func (d Param) DefaultText() string {
	return strings.TrimSuffix(strings.TrimPrefix(d.Default, "("), ")")
}

// defaultValue returns "" if there is none.
func (d Param) defaultValue() string {
	if strings.HasPrefix(d.Default, "(") {
		return ""
	}
	return d.Default
}

// Check returns an error if the declaration is not complete. Tests call it
// for every parameter of every room.
func (d Param) Check() error {
	switch {
	case d.Name == "":
		return fmt.Errorf("a parameter without a name")
	case d.Text == "" || strings.HasSuffix(d.Text, "."):
		return fmt.Errorf("parameter %s: no text, or one with a full stop", d.Name)
	case d.Form() == "":
		return fmt.Errorf("parameter %s: no values", d.Name)
	case d.DefaultText() == "":
		return fmt.Errorf("parameter %s: no default", d.Name)
	case d.Words != nil && d.defaultValue() != "" && !slices.Contains(d.Words, d.Default):
		return fmt.Errorf("parameter %s: the default %q is none of %s", d.Name, d.Default, d.Form())
	}
	return nil
}
