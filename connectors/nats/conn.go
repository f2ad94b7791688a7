package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	connectTimeout = 5 * time.Second
	// pingInterval finds a dead peer within a minute; the client's default
	// takes six.
	pingInterval = 20 * time.Second
	// flushTimeout bounds a write to a server that takes nothing any more.
	flushTimeout  = 5 * time.Second
	reconnectWait = 500 * time.Millisecond
)

// ConnOptions says where the servers are and who we are. Everything but URL may
// be empty; with a Context, URL may be empty too.
type ConnOptions struct {
	// URL is one or more servers separated by commas, each nats://host:port or
	// tls://host:port. It holds no user or password.
	URL string
	// Name is shown by the server in its list of connections.
	Name string

	// Creds is a file with a user JWT and its seed.
	Creds string
	// NKey is a file with the seed of a user nkey.
	NKey string
	// User and PasswordFile are plain authentication. One newline at the end of
	// the file is ignored.
	User, PasswordFile string
	// TokenFile is a file with a token, likewise.
	TokenFile string

	// TLS demands encryption. A CA or a certificate implies it.
	TLS bool
	// CA is a PEM file with the roots to trust instead of the system's.
	CA string
	// Cert and Key are PEM files with the client's certificate and its private
	// key.
	Cert, Key string

	// Domain is the JetStream domain to speak to, for one behind a leaf node.
	Domain string
	// APIPrefix begins the subjects of the API where an import gives it another
	// name than $JS.API. At most one of Domain and APIPrefix is set.
	APIPrefix string

	// Context is the name of a context of the nats command line tool. Fields
	// above win over it.
	Context string

	// Observer is told about lost and new connections; nil means nobody.
	Observer ConnObserver
	// Log is told about lost and new connections; nil means slog.Default.
	Log *slog.Logger
}

// Conn is a connection to NATS, shared by any number of Sources and Sinks. It
// reconnects for ever.
type Conn struct {
	nc       *natsgo.Conn
	js       jetstream.JetStream
	api      string // begins the subjects of the API, with its final dot
	log      *slog.Logger
	observer ConnObserver
	// closed is closed by the client library's last callback.
	closed  chan struct{}
	denials denials
	// noNewer has tests play an old server.
	noNewer bool
}

// Connect opens a connection. The first attempt must succeed, within 5 s for
// each server; later the connection is restored for as long as it takes.
func Connect(ctx context.Context, o ConnOptions) (*Conn, error) {
	p, err := o.readProfile()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := &Conn{log: p.Log.With("servers", p.URL), observer: p.Observer, closed: make(chan struct{})}
	auth := &login{profile: p}
	opts, err := p.clientOptions(c, auth)
	if err != nil {
		return nil, err
	}
	dialer := &ctxDialer{ctx: ctx}
	c.nc, err = natsgo.Connect(p.URL, append(opts, natsgo.SetCustomDialer(dialer))...)
	if failed := dialer.release(); err != nil {
		if errors.Is(err, natsgo.ErrNoServers) && failed != nil {
			err = failed // the client forgets why
		}
		return nil, fmt.Errorf("nats %s: %w", p.URL, err)
	}
	dialer.setBefore(func() { auth.renewNKey(c.nc) })
	c.api = p.apiSubjects()
	c.js, err = p.newJetStream(c.nc)
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("nats %s: %w", p.URL, err)
	}
	return c, nil
}

// Close ends the connection. Sources and Sinks that use it must have ended.
// Nothing is logged after it has returned.
func (c *Conn) Close() {
	c.nc.Close()
	<-c.closed
}

// connectionCount counts connections. A request to a server over an earlier one
// may never be answered: the client library asks again as soon as it is
// connected, and a server that has just started does not listen yet.
func (c *Conn) connectionCount() uint64 { return c.nc.Stats().Reconnects }

// canReset tells whether the server can take a consumer back to its ack floor.
func (c *Conn) canReset() bool { return c.isAtLeast(2, 14) }

// isAtLeast tells whether the server that we are connected to has this version
// or a later one.
func (c *Conn) isAtLeast(major, minor int) bool {
	if c.noNewer {
		return false
	}
	var a, b int
	if n, _ := fmt.Sscanf(c.nc.ConnectedServerVersion(), "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a > major || a == major && b >= minor
}

// profile is ConnOptions together with the fields that only a context file has.
type profile struct {
	ConnOptions
	options     ConnOptions // without the context's
	password    string
	token       string
	inboxPrefix string
	tlsFirst    bool
}

// readProfile reads the context, if one is named, and checks the whole.
func (o ConnOptions) readProfile() (profile, error) {
	p := profile{ConnOptions: o, options: o}
	if p.Log == nil {
		p.Log = slog.Default()
	}
	if o.Context != "" {
		if err := p.addContext(); err != nil {
			return p, err
		}
	}
	switch {
	case p.URL == "":
		return p, errors.New("nats: no server URL")
	case p.Creds != "" && p.NKey != "":
		return p, errors.New("nats: both creds and nkey are given")
	case (p.Cert == "") != (p.Key == ""):
		return p, errors.New("nats: a client certificate needs both cert and key")
	case p.PasswordFile != "" && p.User == "":
		return p, errors.New("nats: a password without a user")
	case p.TokenFile != "" && (p.Creds != "" || p.NKey != "" || p.User != ""):
		return p, errors.New("nats: a token beside a user, creds or an nkey")
	case p.Domain != "" && p.APIPrefix != "":
		return p, errors.New("nats: both a domain and an API prefix are given")
	case p.Domain != "" && !validToken(p.Domain):
		return p, fmt.Errorf("nats: %q is not the name of a domain", p.Domain)
	case p.APIPrefix != "" && !ValidSubject(strings.TrimSuffix(p.APIPrefix, ".")):
		return p, fmt.Errorf("nats: API prefix %q is not a subject", p.APIPrefix)
	}
	for server := range strings.SplitSeq(p.URL, ",") {
		if err := checkURL(strings.TrimSpace(server)); err != nil {
			return p, err
		}
	}
	return p, nil
}

// checkURL refuses parts of a URL that the client would ignore or print. Its
// errors do not repeat the URL, which may hold a password.
func checkURL(server string) error {
	u, err := url.Parse(server)
	switch {
	case err != nil:
		return errors.New("nats: server URL is malformed")
	case u.User != nil:
		return errors.New("nats: server URL holds a user; give creds, nkey, or user and password file instead")
	case u.Scheme != "nats" && u.Scheme != "tls":
		return fmt.Errorf("nats: server URL begins with %q, not nats:// or tls://", u.Scheme)
	case u.Host == "":
		return errors.New("nats: server URL has no host")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return errors.New("nats: server URL has more than a host and a port")
	}
	return nil
}

// clientOptions turns the profile into options of the client library.
func (p profile) clientOptions(c *Conn, auth *login) ([]natsgo.Option, error) {
	opts := []natsgo.Option{
		natsgo.Name(p.Name),
		natsgo.Timeout(connectTimeout),
		natsgo.PingInterval(pingInterval),
		natsgo.FlusherTimeout(flushTimeout),
		natsgo.ReconnectWait(reconnectWait),
		natsgo.MaxReconnects(-1),
		// A revoked user may be let in again, so even two refusals in a row do
		// not end the connection.
		natsgo.IgnoreAuthErrorAbort(),
		// Nothing is buffered while the connection is down: a message that is
		// published then would overtake those lost with the old connection.
		natsgo.ReconnectBufSize(-1),
		natsgo.ClosedHandler(func(*natsgo.Conn) { close(c.closed) }),
		natsgo.DisconnectErrHandler(func(_ *natsgo.Conn, err error) { c.noteDisconnect(err) }),
		natsgo.ReconnectHandler(func(nc *natsgo.Conn) {
			c.log.Info("nats connection restored", "server", nc.ConnectedServerName())
			if c.observer != nil {
				c.observer.ChangeConnection(true, nil)
			}
		}),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) { c.noteError(err) }),
	}
	if p.inboxPrefix != "" {
		opts = append(opts, natsgo.CustomInboxPrefix(p.inboxPrefix))
	}
	opts, err := auth.addOptions(opts)
	if err != nil {
		return nil, err
	}
	return p.addTLS(opts)
}

// newJetStream opens the API. Un-acknowledged publishes are forgotten after
// ackTimeout, which the client would otherwise never do.
func (p profile) newJetStream(nc *natsgo.Conn) (jetstream.JetStream, error) {
	opts := []jetstream.JetStreamOpt{
		jetstream.WithPublishAsyncTimeout(ackTimeout),
		// Sinks bound the messages in flight; a lower bound here would only
		// fail publishes.
		jetstream.WithPublishAsyncMaxPending(math.MaxInt),
	}
	switch {
	case p.Domain != "":
		return jetstream.NewWithDomain(nc, p.Domain, opts...)
	case p.APIPrefix != "":
		return jetstream.NewWithAPIPrefix(nc, p.APIPrefix, opts...)
	}
	return jetstream.New(nc, opts...)
}

// apiSubjects returns what the subjects of the API begin with.
func (p profile) apiSubjects() string {
	switch {
	case p.Domain != "":
		return "$JS." + p.Domain + ".API."
	case p.APIPrefix != "":
		return strings.TrimSuffix(p.APIPrefix, ".") + "."
	}
	return jetstream.DefaultAPIPrefix
}

// inboxSubject begins the subjects under which answers come.
func (c *Conn) inboxSubject() string {
	return firstGiven(c.nc.Opts.InboxPrefix, strings.TrimSuffix(inboxPrefix, ".")) + "."
}

// apiSubject returns the subject of a request to the API.
func (c *Conn) apiSubject(name string) string { return c.api + name }

func (c *Conn) noteDisconnect(err error) {
	if err == nil {
		return // closed by us
	}
	c.log.Warn("nats connection lost", "error", err)
	if c.observer != nil {
		c.observer.ChangeConnection(false, err)
	}
}

func (c *Conn) noteError(err error) {
	if errors.Is(err, natsgo.ErrPermissionViolation) {
		c.denials.noteDenial(err)
	}
	c.log.Warn("nats error", "error", err)
}
