package dial

import (
	"context"
	"net"
	"time"

	"github.com/segmentio/kafka-go/sasl"
)

// reauthTimeout is how long an authentication may take on a connection that has
// no deadline of its own.
const reauthTimeout = 10 * time.Second

// leastReauth is the least time between two authentications of one connection.
const leastReauth = time.Second

// conn is a connection with a known peer. It is used by one goroutine at a
// time, with one request in flight, as kafka-go's Transport does: the first
// Write behind a Read begins a request, and there the connection authenticates
// again if that is due.
type conn struct {
	net.Conn
	address string
	local   localAddr

	// Of a connection with SASL:
	mechanism sasl.Mechanism // nil without
	exchanger *exchanger
	due       time.Time // of the next authentication; zero means never
	deadline  time.Time // that the user has set
	answered  bool      // something was read since the last write
}

// LocalAddr returns an address that PeerOf understands.
func (c *conn) LocalAddr() net.Addr { return &c.local }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c.deadline = t
	return c.Conn.SetDeadline(t)
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.answered = c.answered || n > 0
	return n, err
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	if c.answered && !c.due.IsZero() && !time.Now().Before(c.due) {
		if err := c.renewSession(); err != nil {
			return 0, explainError(c.address, "the authentication", err)
		}
	}
	c.answered = false
	return c.Conn.Write(b)
}

// renewSession authenticates again, within the deadline of the request that
// waits for it.
func (c *conn) renewSession() error {
	deadline := c.deadline
	if deadline.IsZero() {
		deadline = time.Now().Add(reauthTimeout)
		if err := c.Conn.SetDeadline(deadline); err != nil {
			return err
		}
		defer c.Conn.SetDeadline(time.Time{}) //nolint:errcheck // a broken connection tells of itself
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	lifetime, err := authenticate(ctx, c.exchanger, c.local.peer, c.mechanism)
	if err != nil {
		return err
	}
	c.noteLifetime(lifetime)
	return nil
}

// noteLifetime notes how long an authentication that has just succeeded lasts.
// The next one comes after 85 % of it, since the broker counts from an earlier
// moment than we do.
func (c *conn) noteLifetime(lifetime time.Duration) {
	c.due = time.Time{}
	if lifetime > 0 {
		c.due = time.Now().Add(max(lifetime/100*85, leastReauth))
	}
}
