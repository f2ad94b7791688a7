package wire

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"context"
)

// proxy stands between clients and brokers, and sees whole messages: one at a
// time on each connection, as kafka-go sends them.
type proxy struct {
	listener net.Listener
	// answer passes on an answer to a request, or not; an error closes the
	// connection. Nil passes all.
	answer func(api int16, message []byte, to io.Writer) error

	mu    sync.Mutex
	conns []net.Conn
	wait  sync.WaitGroup
	dials int
}

func startProxy(t *testing.T, answer func(api int16, message []byte, to io.Writer) error) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, answer: answer}
	t.Cleanup(p.close)
	return p
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wait.Wait()
}

// dialed is how many connections were made.
func (p *proxy) dialed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dials
}

// dial is for a Transport: what it connects to goes through the proxy.
func (p *proxy) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dials++
	var d net.Dialer
	broker, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	client, err := d.DialContext(ctx, network, p.listener.Addr().String())
	if err != nil {
		return nil, err
	}
	inner, err := p.listener.Accept()
	if err != nil {
		return nil, err
	}
	p.conns = append(p.conns, broker, inner)
	p.wait.Go(func() {
		defer broker.Close()
		defer inner.Close()
		_ = p.serve(inner, broker)
	})
	return client, nil
}

func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dials
}

func (p *proxy) serve(client, broker net.Conn) error {
	for {
		request, err := readMessage(client)
		if err != nil {
			return err
		}
		if _, err := broker.Write(request); err != nil {
			return err
		}
		answer, err := readMessage(broker)
		if err != nil {
			return err
		}
		if p.answer == nil {
			_, err = client.Write(answer)
		} else {
			err = p.answer(int16(binary.BigEndian.Uint16(request[4:])), answer, client)
		}
		if err != nil {
			return err
		}
	}
}

func readMessage(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, 4+binary.BigEndian.Uint32(size[:]))
	copy(b, size[:])
	_, err := io.ReadFull(r, b[4:])
	return b, err
}
