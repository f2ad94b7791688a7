package nats

import (
	"context"
	"errors"
	"net"
	"sync"

	natsgo "github.com/nats-io/nats.go"

	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// ctxDialer dials for a client that has no context of its own. Until it is
// released, the end of ctx ends its connections, those in the middle of a
// handshake included. It outlives the call of Connect, since the client dials
// with it whenever it connects again.
type ctxDialer struct {
	mu   sync.Mutex
	ctx  context.Context //nolint:containedctx // the interface of the client has none
	stop []func() bool
	// before is called before each connection, while the client library holds
	// its lock; nil for nothing.
	before func()
	err    error // of the last connection that could not be made
}

// Dial implements natsgo.CustomDialer.
func (d *ctxDialer) Dial(network, address string) (net.Conn, error) {
	d.mu.Lock()
	ctx, before := d.ctx, d.before
	d.mu.Unlock()
	if before != nil {
		before()
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
	if err == nil && d.ctx.Done() != nil {
		d.stop = append(d.stop, context.AfterFunc(d.ctx, func() { _ = conn.Close() }))
	}
	return conn, err
}

// setBefore sets a function that is called before each connection.
func (d *ctxDialer) setBefore(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = f
}

// release lets go of the context, and returns the error of the last connection
// that could not be made.
func (d *ctxDialer) release() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, stop := range d.stop {
		stop()
	}
	d.ctx, d.stop = context.Background(), nil
	return d.err
}

// IsAway tells whether an error of Connect may pass by itself: no server was
// reached, or none of them answered in time.
func IsAway(err error) bool {
	return retry.IsAway(err) || errors.Is(err, natsgo.ErrNoServers) || errors.Is(err, natsgo.ErrTimeout)
}
