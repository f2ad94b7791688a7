package wire

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/segmentio/kafka-go/protocol"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
)

// call is one run of an exchange. The Transport executes it on the connection's
// goroutine, through protocol.RawExchanger, while the caller waits or has gone.
// A call is used once, so that one that comes late cannot touch what the
// exchange's memory is used for next.
//
//	waiting ─► running ─► finished          RawExchange ran while the caller waited
//	   │          └─────► left              the caller went away: RawExchange calls release at its end
//	   └─► abandoned                        the caller went away: RawExchange must not touch anything
type call struct {
	*exchange
	client *Client
	state  atomic.Int32
	done   chan struct{} // closed when RawExchange is over
	err    error
}

const (
	waiting int32 = iota
	running
	finished
	left
	abandoned
)

// abandon keeps RawExchange from beginning. It is too late if it has begun.
func (c *call) abandon() bool { return c.state.CompareAndSwap(waiting, abandoned) }

// wait waits for the end of RawExchange, which its connection's deadline
// ensures, or leaves when ctx ends.
func (c *call) wait(ctx context.Context) (hasLeft bool, err error) {
	select {
	case <-c.done:
		return false, c.err
	default:
	}
	select {
	case <-c.done:
		return false, c.err
	case <-ctx.Done():
		if c.state.CompareAndSwap(running, left) {
			return true, ctx.Err()
		}
		return false, c.err
	}
}

// ApiKey implements protocol.Message.
func (c *call) ApiKey() protocol.ApiKey { return c.api }

// Required implements protocol.RawExchanger: always. The versions that kafka-go
// has negotiated are bounded by those that kafka-go speaks, and are not used.
func (c *call) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange implements protocol.RawExchanger. An error closes the connection,
// so what leaves the connection between two messages is in c.err only.
func (c *call) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if !c.state.CompareAndSwap(waiting, running) {
		return c, nil
	}
	broken, err := c.runOn(rw)
	c.err = err
	if broken && err == nil {
		err = ErrInterrupted // closes the connection; the caller has its answer
	}
	release := c.release // after the next line the exchange may be another's
	if !c.state.CompareAndSwap(running, finished) && release != nil {
		release()
	}
	close(c.done)
	if broken {
		return nil, err
	}
	return c, nil
}

// runOn runs the exchange on a connection. A broken one must be closed.
func (c *call) runOn(rw io.ReadWriter) (broken bool, err error) {
	peer := dial.PeerOf(rw)
	switch {
	case peer == nil:
		return true, errNoPeer
	case c.prepare != nil:
		err = c.prepare(peer)
	default:
		err = needVersion(peer, c.api, c.version)
	}
	if err != nil {
		return false, err
	}
	if c.request.bad {
		return false, errLongName
	}
	if c.interrupter != nil {
		return c.runInterruptibly(rw)
	}
	err = c.exchange.run(c.client, rw)
	return err != nil, err
}

// runInterruptibly runs an exchange that somebody may end.
func (c *call) runInterruptibly(rw io.ReadWriter) (broken bool, err error) {
	err = ErrInterrupted
	if c.interrupter.beginOn(rw) {
		err = c.exchange.run(c.client, rw)
	}
	if !c.interrupter.endExchange() {
		return err != nil, err
	}
	if err != nil {
		err = ErrInterrupted
	}
	return true, err
}
