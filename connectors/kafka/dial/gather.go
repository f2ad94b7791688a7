package dial

import (
	"bufio"
	"crypto/tls"
	"net"
	"sync"
)

// TLS reads and writes the network a record of 16 KiB at a time. A request of
// a megabyte would be 64 calls of the system, and each of them wakes the other
// side. Below TLS these sizes are therefore gathered.
const (
	tlsRecord     = 16 << 10
	gatheredRead  = 64 << 10
	gatheredWrite = 128 << 10
)

// secureConn is a TLS connection over a gathering one.
type secureConn struct {
	*tls.Conn
	below *gathering
}

// newSecureConn returns a connection that has not shaken hands.
func newSecureConn(raw net.Conn, config *tls.Config) *secureConn {
	below := &gathering{Conn: raw, in: bufio.NewReaderSize(raw, gatheredRead)}
	return &secureConn{Conn: tls.Client(below, config), below: below}
}

// Write implements net.Conn. Everything has been handed to the system when it
// returns. One goroutine at a time writes.
func (c *secureConn) Write(b []byte) (int, error) {
	if len(b) <= tlsRecord {
		return c.Conn.Write(b)
	}
	c.below.hold()
	n, err := c.Conn.Write(b)
	if sent := c.below.send(); err == nil {
		err = sent
	}
	if err != nil {
		n = 0 // nobody knows how much of it has left
	}
	return n, err
}

// gathering is the network connection below TLS. TLS writes to it from the
// goroutine that reads or closes too, if it has to answer.
type gathering struct {
	net.Conn
	in *bufio.Reader

	mu      sync.Mutex
	holding bool   // writes wait for send
	held    []byte // the bytes that wait
}

// Read implements net.Conn.
func (g *gathering) Read(b []byte) (int, error) { return g.in.Read(b) }

// Write implements net.Conn.
func (g *gathering) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.holding {
		return g.Conn.Write(b)
	}
	if len(g.held)+len(b) > cap(g.held) {
		if err := g.sendHeld(); err != nil {
			return 0, err
		}
	}
	if len(b) > cap(g.held) {
		return g.Conn.Write(b)
	}
	g.held = append(g.held, b...)
	return len(b), nil
}

// hold has writes wait.
func (g *gathering) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held == nil {
		g.held = make([]byte, 0, gatheredWrite)
	}
	g.holding = true
}

// send writes the bytes that wait, and lets writes go through again.
func (g *gathering) send() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holding = false
	return g.sendHeld()
}

func (g *gathering) sendHeld() error {
	if len(g.held) == 0 {
		return nil
	}
	_, err := g.Conn.Write(g.held)
	g.held = g.held[:0]
	return err
}
