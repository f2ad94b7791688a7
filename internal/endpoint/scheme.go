package endpoint

import (
	"errors"
	"regexp"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// Scheme is one kind of URL: its room's row in a Table. All fields but IsFile,
// Notes, Advice and TakenOver are required.
type Scheme struct {
	Name string // as it stands before the colon
	Form string // of a URL without parameters, such as kafka://HOST:PORT/TOPIC
	Text string // the kind of end in one sentence, without the full stop
	// IsFile says that the URL is that of a local file: a shell can complete
	// the path.
	IsFile bool
	// Notes are further sentences for help and reference.
	Notes string
	// Plain, Sealed and Copy are URLs for examples: of plaintext, of envelopes
	// and of a copy of the envelopes.
	Plain, Sealed, Copy string
	// Params returns the parameters that a URL in this role may have.
	Params func(as Role) []address.Param
	// Parse reads a URL of the scheme. It opens nothing. Its errors do not name
	// the URL.
	Parse func(a *address.Address, as Role) (Endpoint, error)
	// Advice is about errors of the room's connector.
	Advice []hint.Advice
	// TakenOver are the errors of the room's connector that say that another
	// process goes on with the work of this one.
	TakenOver []error
}

// Beginning returns the part of Form in front of the first placeholder, such
// as kafka://.
func (s *Scheme) Beginning() string {
	if strings.HasPrefix(s.Form, s.Name+"://") {
		return s.Name + "://"
	}
	return s.Name + ":"
}

// Table is all kinds of URL that a program has.
type Table []Scheme

// Find returns nil if there is no such scheme.
func (t Table) Find(name string) *Scheme {
	for i := range t {
		if t[i].Name == name {
			return &t[i]
		}
	}
	return nil
}

// Names returns the names of all schemes.
func (t Table) Names() []string {
	names := make([]string, len(t))
	for i := range t {
		names[i] = t[i].Name
	}
	return names
}

// DescribeForms lists the forms of all URLs: a, b or c.
func (t Table) DescribeForms() string {
	forms := make([]string, len(t))
	for i := range t {
		forms[i] = t[i].Form
	}
	if len(forms) < 2 {
		return strings.Join(forms, "")
	}
	last := len(forms) - 1
	return strings.Join(forms[:last], ", ") + " or " + forms[last]
}

// Advice returns the advice of all rooms.
func (t Table) Advice() []hint.Advice {
	var all []hint.Advice
	for i := range t {
		all = append(all, t[i].Advice...)
	}
	return all
}

// Parse reads the URL of an end. It opens nothing.
func (t Table) Parse(text string, as Role) (Endpoint, error) {
	e, err := t.readURL(text, as)
	if err != nil {
		return nil, hint.PrefixError(as.String(), err)
	}
	return e, nil
}

// parseAddress takes a text without a scheme for the path of a local file, with
// the parameters that such a URL may have. A text that looks like an address on
// a network is none.
func (t Table) parseAddress(text string) (*address.Address, error) {
	if hostAndPort.MatchString(text) {
		return nil, address.ErrNoScheme
	}
	a, err := address.Parse(text)
	if !errors.Is(err, address.ErrNoScheme) || t.looksRemote(text) {
		return a, err
	}
	for i := range t {
		if t[i].IsFile {
			return address.Parse(t[i].Name + ":" + text)
		}
	}
	return a, err
}

// hostAndPort matches a text that begins with a host and a port.
var hostAndPort = regexp.MustCompile(`^[A-Za-z0-9.-]+:[0-9]+(,|/|$)`)

// looksRemote tells whether somebody meant a URL with a host: a scheme is
// misspelled, or a colon is missing.
func (t Table) looksRemote(text string) bool {
	if strings.Contains(text, "://") {
		return true
	}
	for i := range t {
		if !t[i].IsFile && strings.HasPrefix(text, t[i].Name+"/") {
			return true
		}
	}
	return false
}

func (t Table) readURL(text string, as Role) (Endpoint, error) {
	if text == "" {
		return nil, errors.New("no URL is given")
	}
	a, err := t.parseAddress(text)
	if errors.Is(err, address.ErrNoScheme) {
		return nil, &hint.Error{Err: err, Hint: "write " + t.DescribeForms()}
	}
	if err != nil {
		return nil, err
	}
	s := t.Find(a.Scheme)
	if s == nil {
		return nil, &hint.Error{Err: address.NewUnknownError("scheme", a.Scheme, t.Names()),
			Hint: "write " + t.DescribeForms()}
	}
	e, err := s.Parse(a, as)
	if err != nil {
		name := a.String()
		if a.Hosts == nil && !s.IsFile {
			name = s.Name // without hosts the path may be anything, a password too
		}
		advice := hint.AboutType[*address.UnknownError]("streamcrypt help " + s.Name + " lists all parameters")
		return nil, hint.PrefixError(name, hint.ExplainError(err, []hint.Advice{advice}))
	}
	return e, nil
}
