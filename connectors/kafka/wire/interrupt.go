package wire

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// ErrInterrupted says that an Interrupter has ended an exchange. Nobody knows
// whether the broker has carried it out.
var ErrInterrupted = errors.New("given up before the answer")

// Interrupter ends an exchange that is under way, by its connection: when the
// request returns, nothing reads the memory of the exchange any more. (After
// the end of its context the connection still may.) One that still waits for
// its connection ends at once as well. The zero Interrupter is ready. It is for
// one exchange, and safe for concurrent use.
type Interrupter struct {
	mu     sync.Mutex
	giveUp context.CancelCauseFunc // of the exchange, until it begins
	conn   deadliner               // of the exchange, while it runs
	called bool
}

// deadliner is a connection for an Interrupter. Its methods may be called
// beside a Read or Write.
type deadliner interface {
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// Interrupt ends the exchange, or keeps it from beginning. It has no effect on
// one that is over.
func (i *Interrupter) Interrupt() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.called = true
	if i.giveUp != nil {
		i.giveUp(ErrInterrupted)
	}
	if i.conn != nil {
		past := time.Unix(1, 0)
		_ = i.conn.SetReadDeadline(past) // a connection without deadlines takes its time
		_ = i.conn.SetWriteDeadline(past)
	}
}

// awaitConn notes how the wait for a connection is given up.
func (i *Interrupter) awaitConn(giveUp context.CancelCauseFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.giveUp = giveUp; i.called {
		giveUp(ErrInterrupted)
	}
}

// beginOn notes the connection of the exchange. It is false if that was
// interrupted before.
func (i *Interrupter) beginOn(rw io.ReadWriter) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.giveUp = nil
	i.conn, _ = rw.(deadliner)
	return !i.called
}

// endExchange forgets the connection, and tells whether the exchange was
// interrupted: then no other one may use the connection.
func (i *Interrupter) endExchange() (interrupted bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.conn = nil
	return i.called
}
