package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/sasl"
)

// Options say how connections are opened. The zero Options open them in
// plaintext and without a user.
type Options struct {
	// ClientID is how the brokers name the client in logs and quotas.
	ClientID string
	// TLS returns the configuration of one connection; nil means plaintext. It
	// is called for each connection, so that it can read certificates anew. A
	// ServerName that is empty becomes the broker's host.
	TLS func() (*tls.Config, error)
	// SASL proves who the client is; nil means not at all. Its Start is called
	// for each authentication.
	SASL sasl.Mechanism
	// Dial opens the network connection; nil means net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Dialer opens connections. It is safe for concurrent use.
type Dialer struct {
	options Options

	mu       sync.Mutex
	refusals map[string]*refusal // by address
}

// refusal is the last refusal of a broker. Until the pause is over, another try
// gets the same error: brokers may lock a user out who tries too often.
type refusal struct {
	err   error
	pause time.Duration
	until time.Time
}

const (
	// tcpTimeout is how long a network connection may take, so that a host
	// which does not answer leaves time for the next one.
	tcpTimeout = 3 * time.Second

	firstPause = 500 * time.Millisecond
	lastPause  = 15 * time.Second
	// maxRefusals bounds how many brokers are remembered.
	maxRefusals = 1024
)

// New returns a Dialer.
func New(o Options) *Dialer {
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: tcpTimeout}).DialContext
	}
	return &Dialer{options: o, refusals: make(map[string]*refusal)}
}

// DialContext opens a connection to a broker and authenticates. It ends with
// ctx. Errors that only a person can mend are a *RefusedError.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d.DialMember(ctx, network, address, "")
}

// DialMember does the same, and ensures that the broker belongs to a cluster:
// the error is ErrOtherCluster if it does not. With an empty id nothing is
// asked.
func (d *Dialer) DialMember(ctx context.Context, network, address, clusterID string) (net.Conn, error) {
	if err := d.lastRefusal(address); err != nil {
		return nil, err
	}
	c, err := d.open(ctx, network, address, clusterID)
	if _, refused := errors.AsType[*RefusedError](err); refused {
		d.noteRefusal(address, err)
	} else if err == nil {
		d.forgetRefusal(address)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (d *Dialer) open(ctx context.Context, network, address, clusterID string) (*conn, error) {
	raw, err := d.options.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	// The connection's deadline ends a read or a write when ctx ends.
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	c, x, err := d.introduce(ctx, raw, address)
	if err == nil && clusterID != "" {
		err = checkCluster(x, address, clusterID)
	}
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = raw.Close()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("broker %s: %w", address, context.Cause(ctx))
		}
		return nil, err
	}
	return c, nil
}

// introduce takes the steps behind the network connection, by an exchanger that
// can be used on.
func (d *Dialer) introduce(ctx context.Context, raw net.Conn, address string) (*conn, *exchanger, error) {
	secured, err := d.secure(ctx, raw, address)
	if err != nil {
		return nil, nil, err
	}
	x := &exchanger{conn: secured, clientID: d.options.ClientID}
	peer, err := askPeer(x)
	if err != nil {
		return nil, nil, explainError(address, "the first request", err)
	}
	c := &conn{Conn: secured, address: address, local: localAddr{Addr: secured.LocalAddr(), peer: peer}}
	if d.options.SASL == nil {
		return c, x, nil
	}
	c.mechanism, c.exchanger = d.options.SASL, x
	if host, port, err := splitAddress(address); err == nil {
		ctx = sasl.WithMetadata(ctx, &sasl.Metadata{Host: host, Port: port})
	}
	lifetime, err := authenticate(ctx, x, peer, c.mechanism)
	if err != nil {
		return nil, nil, explainError(address, "the authentication", err)
	}
	c.noteLifetime(lifetime)
	return c, x, nil
}

// secure does the TLS handshake, if there is one.
func (d *Dialer) secure(ctx context.Context, raw net.Conn, address string) (net.Conn, error) {
	if d.options.TLS == nil {
		return raw, nil
	}
	config, err := d.options.TLS()
	if err != nil {
		return nil, &RefusedError{Address: address, Cause: ErrUnreadable, Err: err}
	}
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	secured := tls.Client(raw, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, explainError(address, "the TLS handshake", err)
	}
	return secured, nil
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(text)
	return host, port, err
}

// lastRefusal returns the error of the last try while its pause lasts.
func (d *Dialer) lastRefusal(address string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.refusals[address]; r != nil && time.Now().Before(r.until) {
		return r.err
	}
	return nil
}

func (d *Dialer) noteRefusal(address string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.refusals[address]
	switch {
	case r == nil && len(d.refusals) >= maxRefusals:
		return
	case r == nil:
		r = &refusal{pause: firstPause}
		d.refusals[address] = r
	default:
		r.pause = min(2*r.pause, lastPause)
	}
	r.err, r.until = err, time.Now().Add(r.pause)
}

func (d *Dialer) forgetRefusal(address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.refusals, address)
}
