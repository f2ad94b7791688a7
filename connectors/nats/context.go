package nats

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/credfile"
)

// contextFile is a context of the nats command line tool, as far as it concerns
// us.
type contextFile struct {
	URL         string `json:"url"`
	Creds       string `json:"creds"`
	NKey        string `json:"nkey"`
	User        string `json:"user"`
	Password    string `json:"password"`
	Token       string `json:"token"`
	CA          string `json:"ca"`
	Cert        string `json:"cert"`
	Key         string `json:"key"`
	TLSFirst    bool   `json:"tls_first"`
	Domain      string `json:"jetstream_domain"`
	APIPrefix   string `json:"jetstream_api_prefix"`
	InboxPrefix string `json:"inbox_prefix"`

	// A field that we cannot honour must be refused: without it we might be
	// somebody else.
	NSC        string `json:"nsc"`
	UserJWT    string `json:"user_jwt"`
	UserSeed   string `json:"user_seed"`
	SocksProxy string `json:"socks_proxy"`
	CertStore  string `json:"windows_cert_store"`
}

// addContext fills in from the context the fields that p does not set itself.
func (p *profile) addContext() error {
	f, err := readContext(p.Context, p.Log)
	if err != nil {
		return err
	}
	p.URL = firstGiven(p.URL, f.URL)
	// Authentication is one thing: a context's user and the caller's creds must
	// not be mixed.
	if p.Creds == "" && p.NKey == "" && p.User == "" && p.PasswordFile == "" && p.TokenFile == "" {
		p.Creds, p.NKey = expandHome(f.Creds), expandHome(f.NKey)
		p.User, p.password, p.token = f.User, f.Password, f.Token
	}
	p.CA = firstGiven(p.CA, expandHome(f.CA))
	if p.Cert == "" && p.Key == "" {
		p.Cert, p.Key = expandHome(f.Cert), expandHome(f.Key)
	}
	p.tlsFirst = f.TLSFirst
	p.inboxPrefix = f.InboxPrefix
	if p.Domain == "" && p.APIPrefix == "" {
		p.Domain, p.APIPrefix = f.Domain, f.APIPrefix
		if p.Domain != "" {
			p.APIPrefix = "" // as the nats command has it
		}
	}
	return nil
}

// readContext reads a context by its name. Its errors name the file and hold
// nothing from inside it.
func readContext(name string, log *slog.Logger) (contextFile, error) {
	var f contextFile
	if name == "." || name == ".." || strings.ContainsAny(name, `/\`) {
		return f, fmt.Errorf("nats context %q: not a name", name)
	}
	dir := os.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return f, fmt.Errorf("nats context %q: %w", name, err)
		}
		dir = filepath.Join(home, ".config")
	}
	path := filepath.Join(dir, "nats", "context", name+".json")
	text, mode, err := credfile.Read(fmt.Sprintf("nats context %q", name), path)
	if err != nil {
		return f, err
	}
	defer clear(text)
	if err := json.Unmarshal(text, &f); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return f, fmt.Errorf("nats context %q: %s: malformed JSON at byte %d", name, path, syntax.Offset)
		}
		return f, fmt.Errorf("nats context %q: %s: a field has the wrong type", name, path)
	}
	for field, value := range map[string]string{
		"nsc": f.NSC, "user_jwt": f.UserJWT, "user_seed": f.UserSeed, "socks_proxy": f.SocksProxy,
		"windows_cert_store": f.CertStore,
	} {
		if value != "" {
			return f, fmt.Errorf("nats context %q: field %s is not supported", name, field)
		}
	}
	if f.Password != "" || f.Token != "" {
		credfile.WarnOfMode("nats context", path, mode, log)
	}
	return f, nil
}

func firstGiven(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func expandHome(path string) string {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return path
	}
	return filepath.Join(home, rest)
}
