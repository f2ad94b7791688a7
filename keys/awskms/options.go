package awskms

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/guard"
)

// Options say which key, and which service to ask for it. A field that is left
// empty comes from the SDK's own chain: environment, shared files, the role of
// the machine or the container.
type Options struct {
	Key      string            // a key's ARN or id, alias/NAME, or an alias's ARN
	Region   string            // of the KMS that is asked; for an ARN without replicas it is the ARN's
	Role     string            // the ARN of a role to assume
	Profile  string            // of the shared configuration
	Endpoint string            // https://HOST[:PORT], or http:// on this machine
	Pairs    map[string]string // more of the encryption context
	Observer guard.Observer    // of the breaker and of delays; nil: none
}

var (
	// ErrNoRegion says that neither the key nor the configuration names a
	// region.
	ErrNoRegion = errors.New("no region")
	// ErrCredentials says that no credentials can be had.
	ErrCredentials = errors.New("no credentials")
	// ErrReserved says that a pair's name is not for users.
	ErrReserved = errors.New("names that begin with streamcrypt: or aws: are reserved")
	// ErrClear says that keys would go over a network unencrypted.
	ErrClear = errors.New("plain HTTP would show keys to the network; it is for this machine only")
)

// validate returns the key that o names.
func (o *Options) validate() (ref, error) {
	r, err := parseRef(o.Key)
	if err != nil {
		return r, err
	}
	if r.isFull() && o.Region != "" && o.Region != r.region && !r.isMultiRegion() {
		return r, fmt.Errorf("it is in %s and cannot be asked for in %s: only multi-Region keys (mrk-) have replicas",
			r.region, o.Region)
	}
	if o.Region != "" && !isMadeOf(o.Region, lower+digits+"-") {
		return r, errors.New("region: not a region's name")
	}
	if o.Role != "" && !strings.HasPrefix(o.Role, "arn:") {
		return r, errors.New("role: not an ARN")
	}
	if err := checkEndpoint(o.Endpoint); err != nil {
		return r, fmt.Errorf("endpoint: %w", err)
	}
	return r, checkPairs(o.Pairs)
}

func checkEndpoint(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Host == "", u.User != nil, u.RawQuery != "", u.Fragment != "",
		u.Scheme != "http" && u.Scheme != "https":
		return errors.New("not of the form https://HOST:PORT")
	case !isConfidential(u):
		return ErrClear
	}
	return nil
}

// isConfidential says that nobody on the way sees the bytes that are sent to u.
func isConfidential(u *url.URL) bool {
	host := u.Hostname()
	ip := net.ParseIP(host)
	return u.Scheme == "https" || host == "localhost" || ip != nil && ip.IsLoopback()
}

// Names in the encryption context that are not the user's; see the package's
// documentation.
const (
	formatName  = "streamcrypt:format"
	contextName = "streamcrypt:context"
)

func checkPairs(pairs map[string]string) error {
	for name, value := range pairs {
		switch {
		case strings.HasPrefix(name, "streamcrypt:"), strings.HasPrefix(name, "aws:"):
			return fmt.Errorf("pair %q: %w", name, ErrReserved)
		case name == "", !utf8.ValidString(name), !utf8.ValidString(value):
			return errors.New("pair: without a name, or not UTF-8")
		}
	}
	return nil
}

// encryptionContext returns the pairs that KMS binds a wrapping to. They are
// shown in the logs of KMS.
func (k *Key) encryptionContext(kc keys.Context) (map[string]string, error) {
	if err := checkPairs(kc.Pairs); err != nil {
		return nil, err
	}
	if !utf8.ValidString(kc.Name) {
		return nil, errors.New("key context: not UTF-8")
	}
	out := maps.Clone(k.pairs)
	if out == nil {
		out = map[string]string{}
	}
	for name, value := range kc.Pairs {
		if other, twice := out[name]; twice && other != value {
			return nil, fmt.Errorf("pair %q has two values", name)
		}
		out[name] = value
	}
	out[formatName] = "1"
	if kc.Name != "" {
		out[contextName] = kc.Name
	}
	return out, nil
}
