// Package address reads the URLs in which people name ends, keys and stores. It
// is strict, so that a typing mistake is an error with a suggestion and never a
// default:
//
//	address = scheme ":" [ hosts ] path [ "?" param *( "&" param ) ]
//	hosts   = "//" host *( "," host ) "/"
//	param   = name "=" value
//
// Path and values are percent-decoded; a plus sign is a plus sign.
//
// The package knows no scheme and no parameter. The room that reads an address
// declares each parameter as it reads it (Param, Params), and the same
// declaration serves help, completion and the reference in docs/urls.md.
//
// The package must not repeat in an error anything that could be a secret: the
// whole text, hosts that hold a user, and values other than those of a
// parameter with a closed list.
package address

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Address is a URL taken apart.
type Address struct {
	Scheme string
	Hosts  []string // HOST or HOST:PORT; nil without "//"
	Path   string   // without the slash that ends the hosts

	values map[string][]string
	names  []string // of values, in the order in which they were first given
}

var (
	// ErrNoScheme says that a text does not begin with a scheme.
	ErrNoScheme = errors.New("no scheme and colon in front")
	// ErrUser says that a user stands before a host, where a password might.
	ErrUser = errors.New("a user before the host")
	// ErrEscape says that a percent sign is not followed by two hex digits.
	ErrEscape = errors.New("a percent sign without two hex digits; the sign itself is %25")
	// ErrHost says that a host stands in the URL of a local file.
	ErrHost = errors.New("a local file has no host")
	// ErrNoPath says that the URL of a local file has no path.
	ErrNoPath = errors.New("no path")
)

// Parse takes an address apart.
func Parse(text string) (*Address, error) {
	scheme, rest, ok := strings.Cut(text, ":")
	if !ok || !validScheme(scheme) {
		return nil, ErrNoScheme
	}
	a := &Address{Scheme: scheme, values: map[string][]string{}}
	rest, query, hasQuery := strings.Cut(rest, "?")
	if err := a.readPlace(rest); err != nil {
		return nil, fmt.Errorf("%s: %w", scheme, err)
	}
	if !hasQuery {
		return a, nil
	}
	for pair := range strings.SplitSeq(query, "&") {
		if err := a.addParam(pair); err != nil {
			return nil, fmt.Errorf("%s: %w", scheme, err)
		}
	}
	return a, nil
}

func validScheme(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}

// readPlace reads hosts and path.
func (a *Address) readPlace(rest string) (err error) {
	if hosts, found := strings.CutPrefix(rest, "//"); found {
		hosts, rest, _ = strings.Cut(hosts, "/")
		if strings.Contains(hosts, "@") {
			return ErrUser
		}
		a.Hosts = strings.Split(hosts, ",")
	}
	a.Path, err = unescape(rest)
	return err
}

// addParam reads one parameter.
func (a *Address) addParam(pair string) error {
	name, value, ok := strings.Cut(pair, "=")
	name, err := unescape(name)
	switch {
	case err != nil:
		return err
	case name == "":
		return errors.New("a parameter without a name")
	case !ok || value == "":
		return fmt.Errorf("parameter %q has no value", name)
	}
	if value, err = unescape(value); err != nil {
		return fmt.Errorf("parameter %q: %w", name, err)
	}
	if a.values[name] == nil {
		a.names = append(a.names, name)
	}
	a.values[name] = append(a.values[name], value)
	return nil
}

func unescape(s string) (string, error) {
	out, err := url.PathUnescape(s)
	if err != nil {
		return "", ErrEscape
	}
	return out, nil
}

// String returns the address without its parameters, for logs and errors.
func (a *Address) String() string {
	if a.Hosts == nil {
		return a.Scheme + ":" + a.Path
	}
	return a.Scheme + "://" + strings.Join(a.Hosts, ",") + "/" + a.Path
}

// LocalPath returns the path of a URL that names a local file: SCHEME:PATH, or
// SCHEME:///PATH for an absolute one.
func (a *Address) LocalPath() (string, error) {
	switch {
	case len(a.Hosts) > 1 || len(a.Hosts) == 1 && a.Hosts[0] != "":
		return "", ErrHost
	case a.Path == "":
		return "", ErrNoPath
	case a.Hosts != nil:
		return "/" + a.Path, nil
	}
	return a.Path, nil
}
