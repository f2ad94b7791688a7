package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/credfile"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// tokenParams say where the tokens of sasl=oauthbearer come from: a file that
// another program writes, or a service that gives them for the client's secret
// (RFC 6749, section 4.4).
type tokenParams struct {
	file       string
	url        string
	ca         string
	clientID   string
	secretFile string
	scope      string
	audience   string
}

func (t *tokenParams) readParams(p *address.Params) {
	t.file = p.ReadText(address.Param{
		Name: "token-file", Text: "the file that holds the token of sasl=oauthbearer; it is read for each connection",
		Values: address.File, Default: "(none)",
	})
	t.url = p.ReadText(address.Param{
		Name: "token-url", Text: "the service that gives tokens to clients; its credentials follow",
		Values: "URL", Default: "(none)",
	})
	t.ca = p.ReadText(address.Param{
		Name: "token-ca", Text: "the roots that the certificate of token-url= is checked against, in PEM",
		Values: address.File, Default: "(the system's)",
	})
	t.clientID = p.ReadText(address.Param{
		Name: "client-id", Text: "the client's name at token-url=", Values: "NAME", Default: "(none)",
	})
	t.secretFile = p.ReadText(address.Param{
		Name: "client-secret-file", Text: "the file that holds the client's secret at token-url=",
		Values: address.File, Default: "(none)",
	})
	t.scope = strings.Join(p.ReadList(address.Param{
		Name: "scope", Text: "the scopes to ask token-url= for", Values: "NAME,...", Default: "(none)",
	}), " ")
	t.audience = p.ReadText(address.Param{
		Name: "audience", Text: "the audience to ask token-url= for", Values: "NAME", Default: "(none)",
	})
}

// check refuses parameters that do not name one source of tokens.
func (t *tokenParams) check() error {
	byURL := tokenParams{file: t.file}
	switch {
	case t.file != "" && *t != byURL:
		return hint.New("a token by a file and by a service", "say either token-file= or token-url=")
	case t.file != "":
		return nil
	case t.url == "" || t.clientID == "" || t.secretFile == "":
		return hint.New("sasl=oauthbearer without a token",
			"say token-file=FILE, or token-url=URL&client-id=NAME&client-secret-file=FILE")
	}
	u, err := url.Parse(t.url)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !isLocal(u) {
		return hint.New("token-url is no address that a secret can be sent to",
			"write https://HOST/PATH, without a user")
	}
	return nil
}

// isLocal tells whether nobody else can read along without TLS.
func isLocal(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// open returns a function that returns a token for one authentication.
func (t tokenParams) open(log *slog.Logger) (func(context.Context) (string, error), error) {
	if t.file != "" {
		if _, err := credfile.ReadPassword("token", t.file, log); err != nil {
			return nil, err
		}
		return func(context.Context) (string, error) { return credfile.ReadPassword("token", t.file, silent) }, nil
	}
	if _, err := credfile.ReadPassword("client secret", t.secretFile, log); err != nil {
		return nil, err
	}
	s := &tokenService{tokenParams: t, turn: make(chan struct{}, 1)}
	if err := s.makeClient(); err != nil {
		return nil, err
	}
	return s.takeToken, nil
}

// tokenService asks for tokens, and gives one out until four fifths of its life
// are over. A broker ends a session with its token, and a session asks again
// after 85 % of its time.
type tokenService struct {
	tokenParams
	client *http.Client
	turn   chan struct{} // has an entry while somebody uses the fields below

	token string
	until time.Time
}

// tokenTimeout is how long the service may take.
const tokenTimeout = 8 * time.Second

func (s *tokenService) makeClient() error {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.ca != "" {
		roots, err := credfile.ReadRoots("token-ca", s.ca)
		if err != nil {
			return err
		}
		config.RootCAs = roots
	}
	s.client = &http.Client{
		Timeout:   tokenTimeout,
		Transport: &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true},
		// A secret goes to the service that was named and to no other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return nil
}

func (s *tokenService) takeToken(ctx context.Context) (string, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if s.token != "" && time.Now().Before(s.until) {
		return s.token, nil
	}
	secret, err := credfile.ReadPassword("client secret", s.secretFile, silent)
	if err != nil {
		return "", err
	}
	config := clientcredentials.Config{ClientID: s.clientID, ClientSecret: secret, TokenURL: s.url}
	if s.scope != "" {
		config.Scopes = strings.Fields(s.scope)
	}
	if s.audience != "" {
		config.EndpointParams = url.Values{"audience": {s.audience}}
	}
	before := time.Now()
	token, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, s.client))
	if err != nil {
		return "", s.explain(err)
	}
	s.token, s.until = token.AccessToken, before
	if !token.Expiry.IsZero() {
		s.until = before.Add(token.Expiry.Sub(before) / 5 * 4)
	}
	return s.token, nil
}

// explain tells a refusal from a service that is away. The service's own text
// is not repeated, but for the word of RFC 6749.
func (s *tokenService) explain(err error) error {
	if answer, ok := errors.AsType[*oauth2.RetrieveError](err); ok && answer.Response != nil {
		code := answer.Response.StatusCode
		said := fmt.Errorf("token service %s: status %d %q", s.url, code, answer.ErrorCode)
		if code == http.StatusTooManyRequests || code >= 500 {
			return &dial.AwayError{Err: said}
		}
		return said
	}
	said := fmt.Errorf("token service: %w", err)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return said
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return said
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return &dial.AwayError{Err: said}
	}
	return fmt.Errorf("token service %s: it answers without a token", s.url)
}
