package address

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Params reads the parameters of an address. Its methods return the zero value for a parameter that is not there. Asking for
// a name makes it a known one, and Done tells what was given and not known, or not understood.
type Params struct {
	a     *Address
	known []string
	err   error // the first
}

// Params returns a reader of all parameters.
func (a *Address) Params() *Params { return &Params{a: a} }

// Text returns a parameter as it is.
func (p *Params) Text(name string) string {
	all := p.All(name)
	switch len(all) {
	case 0:
		return ""
	case 1:
		return all[0]
	}
	p.fail(name, errors.New("given twice"))
	return ""
}

// All returns a parameter that may be given several times, in that order.
func (p *Params) All(name string) []string {
	p.known = append(p.known, name)
	return p.a.values[name]
}

// List returns a parameter's parts between commas.
func (p *Params) List(name string) []string {
	text := p.Text(name)
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// Choice returns a parameter that is one of some words.
func (p *Params) Choice(name string, words ...string) string {
	text := p.Text(name)
	if text != "" && !slices.Contains(words, text) {
		p.fail(name, Unknown("value", text, words))
	}
	return text
}

// Bool returns a parameter that is true or false.
func (p *Params) Bool(name string) bool { return p.Choice(name, "true", "false") == "true" }

// Duration returns a parameter such as 30s.
func (p *Params) Duration(name string) time.Duration {
	text := p.Text(name)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		p.fail(name, fmt.Errorf("%q is not a duration such as 30s", text))
	}
	return d
}

func (p *Params) fail(name string, err error) {
	if p.err == nil {
		p.err = fmt.Errorf("parameter %s: %w", name, err)
	}
}

// Done returns what is wrong with the parameters.
func (p *Params) Done() error {
	for _, name := range p.a.names {
		if !slices.Contains(p.known, name) {
			return Unknown("parameter", name, p.known)
		}
	}
	return p.err
}
