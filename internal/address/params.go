package address

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Params reads the parameters of an address. A parameter is declared by the
// call that reads it, so none can be read that has no texts. Check then tells
// of the parameters that nobody declared, and of the values that could not be
// read.
type Params struct {
	values   map[string][]string
	names    []string // of values, in the order in which they were first given
	declared []Param
	err      error // the first
}

// Params returns a reader of all parameters.
func (a *Address) Params() *Params { return &Params{values: a.values, names: a.names} }

// ListParams returns the parameters that a function reads, in that order.
func ListParams(read func(*Params)) []Param {
	p := &Params{}
	read(p)
	return p.declared
}

// ReadText returns a parameter as it was given, or the default.
func (p *Params) ReadText(d Param) string {
	all := p.ReadTexts(d)
	switch len(all) {
	case 0:
		return d.defaultValue()
	case 1:
		return all[0]
	}
	p.Fail(d.Name, errors.New("given twice"))
	return ""
}

// ReadTexts returns a parameter that may be given several times, in that
// order. It has no default value.
func (p *Params) ReadTexts(d Param) []string {
	p.declared = append(p.declared, d)
	return p.values[d.Name]
}

// ReadList returns the parts of a parameter between commas.
func (p *Params) ReadList(d Param) []string {
	text := p.ReadText(d)
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// ReadWord returns a parameter that is one of d.Words, or the default.
func (p *Params) ReadWord(d Param) string {
	text := p.ReadText(d)
	if text != "" && !slices.Contains(d.Words, text) {
		p.Fail(d.Name, NewUnknownError("value", text, d.Words))
		return d.defaultValue()
	}
	return text
}

// ReadBool returns a parameter that is true or false, which is the default
// unless d has another. It fills in d.Words.
func (p *Params) ReadBool(d Param) bool {
	d.Words = []string{"true", "false"}
	if d.Default == "" {
		d.Default = "false"
	}
	return p.ReadWord(d) == "true"
}

// ReadDuration returns a parameter such as 30s, or the default.
func (p *Params) ReadDuration(d Param) time.Duration {
	if d.Values == "" {
		d.Values = "DURATION"
	}
	text := p.ReadText(d)
	if text == "" {
		return 0
	}
	value, err := time.ParseDuration(text)
	if err != nil || value <= 0 {
		p.Fail(d.Name, fmt.Errorf("%q is not a duration such as 30s", text))
	}
	return value
}

// Fail notes that the value of a parameter cannot be used. Check returns the
// first such error.
func (p *Params) Fail(name string, err error) {
	if p.err == nil {
		p.err = fmt.Errorf("parameter %s: %w", name, err)
	}
}

// Check returns an error about a parameter that was given and not declared,
// or else about the first value that could not be read. It is called when all
// parameters have been read.
func (p *Params) Check() error {
	var known []string
	for _, d := range p.declared {
		known = append(known, d.Name)
	}
	for _, name := range p.names {
		if !slices.Contains(known, name) {
			return NewUnknownError("parameter", name, known)
		}
	}
	return p.err
}
