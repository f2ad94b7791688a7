package wire

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
)

// Client sends requests through a Transport to one cluster. It may be used by
// any number of goroutines.
type Client struct {
	// Timeout is how long an exchange may take, beyond what the request itself
	// lets the broker wait; 10 s by default. Not to be changed after the first
	// request, as is MaxAnswer.
	Timeout time.Duration
	// MaxAnswer is the largest answer that is read, in bytes; 256 MiB by
	// default. A broker answers a fetch with one whole batch at least, whatever
	// was asked for.
	MaxAnswer int

	transport *kafka.Transport // it dials by package dial
	addr      net.Addr
	lastID    atomic.Int32 // correlation
	idle      pool
	writers   sync.Pool // *bufio.Writer
}

// New returns a Client of the cluster that addr names. The transport's Dial
// opens connections by a dial.Dialer, and it has no TLS and SASL of its own.
func New(transport *kafka.Transport, addr net.Addr) *Client {
	return &Client{
		Timeout: 10 * time.Second, MaxAnswer: 256 << 20,
		transport: transport, addr: addr,
	}
}

// do runs an exchange, which may take up to limit. When it returns nil, the
// answer is in x.body. Then, and after an error, x is the caller's again,
// unless left is true: then it is the connection's, which calls x.release when
// it is done.
func (c *Client) do(ctx context.Context, x *exchange, to route, limit time.Duration) (left bool, err error) {
	call := &call{exchange: x, client: c, done: make(chan struct{})}
	api := x.api // x may be another's when we return
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if x.interrupter != nil {
		given, giveUp := context.WithCancelCause(limited)
		defer giveUp(nil)
		x.interrupter.awaitConn(giveUp)
		limited = given
	}
	_, err = c.transport.RoundTrip(limited, c.addr, to.message(call))
	switch {
	case !call.abandon(): // it has begun, and may still be running
		left, err = call.wait(ctx)
	case err == nil:
		err = errNotRun
	case errors.Is(context.Cause(limited), ErrInterrupted):
		err = ErrInterrupted
	}
	if err != nil {
		return left, &Error{API: api, Broker: to.broker, Err: err}
	}
	return false, nil
}

// errNotRun says that the Transport did not use its hook.
var errNotRun = errors.New("the transport did not run the exchange")
