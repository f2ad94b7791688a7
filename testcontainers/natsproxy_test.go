package testcontainers

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// natsProxy stands between clients and one node.
type natsProxy struct {
	listener net.Listener
	upstream string

	mu      sync.Mutex
	conns   map[net.Conn]bool
	stalled chan struct{}                        // bytes wait until it is closed; nil: they pass
	lose    func(frame []byte, answer bool) bool // tells what is thrown away; nil: nothing
	wait    sync.WaitGroup
}

func startNATSProxies(t *testing.T, c *natsCluster) []*natsProxy {
	t.Helper()
	var all []*natsProxy
	for _, n := range c.nodes {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p := &natsProxy{listener: l, upstream: n.address, conns: map[net.Conn]bool{}}
		p.wait.Go(p.accept)
		t.Cleanup(func() {
			_ = l.Close()
			p.mend()
			p.cut()
			p.wait.Wait()
		})
		all = append(all, p)
	}
	return all
}

// proxiesURL names the nodes as clients do that go through the proxies.
func proxiesURL(all []*natsProxy) string {
	var addresses []string
	for _, p := range all {
		addresses = append(addresses, p.listener.Addr().String())
	}
	return "nats://" + strings.Join(addresses, ",")
}

func (p *natsProxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.DialTimeout("tcp", p.upstream, time.Second)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		p.wait.Go(func() { p.carryRequests(server, client) })
		p.wait.Go(func() { p.carryAnswers(client, server) })
	}
}

// endBoth closes both sides of a connection.
func (p *natsProxy) endBoth(a, b net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range []net.Conn{a, b} {
		_ = c.Close()
		delete(p.conns, c)
	}
}

// mode returns what befalls bytes now.
func (p *natsProxy) mode() (stalled chan struct{}, lose func(frame []byte, answer bool) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stalled, p.lose
}

// carryRequests carries the bytes of a client until one side ends.
func (p *natsProxy) carryRequests(server, client net.Conn) {
	defer p.endBoth(server, client)
	b := make([]byte, 64<<10)
	for {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		stalled, lose := p.mode()
		if stalled != nil {
			<-stalled
		}
		if lose != nil && lose(b[:n], false) {
			continue
		}
		if _, err := server.Write(b[:n]); err != nil {
			return
		}
	}
}

// carryAnswers carries what the server says, word by word, until one side ends.
func (p *natsProxy) carryAnswers(client, server net.Conn) {
	defer p.endBoth(client, server)
	r, w := bufio.NewReaderSize(server, 64<<10), bufio.NewWriterSize(client, 64<<10)
	for {
		frame, err := readFrame(r)
		if err != nil {
			return
		}
		stalled, lose := p.mode()
		if stalled != nil {
			<-stalled
		}
		if lose == nil || !lose(frame, true) {
			if _, err := w.Write(frame); err != nil {
				return
			}
		}
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
	}
}

// readFrame reads a word of the server: a line, and the message that it
// announces.
func readFrame(r *bufio.Reader) ([]byte, error) {
	frame, err := r.ReadBytes('\n')
	if err != nil || !bytes.HasPrefix(frame, []byte("MSG ")) && !bytes.HasPrefix(frame, []byte("HMSG ")) {
		return frame, err
	}
	words := bytes.Fields(frame)
	size, err := strconv.Atoi(string(words[len(words)-1]))
	if err != nil {
		return nil, err
	}
	head := len(frame)
	frame = append(frame, make([]byte, size+len("\r\n"))...)
	_, err = io.ReadFull(r, frame[head:])
	return frame, err
}

// cut closes all connections.
func (p *natsProxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// stall lets no byte pass until mend.
func (p *natsProxy) stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled == nil {
		p.stalled = make(chan struct{})
	}
}

// swallow throws away what lose says until mend.
func (p *natsProxy) swallow(lose func(frame []byte, answer bool) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose = lose
}

// swallowAnswers throws away all that the server says until mend: it acts on
// requests, and nobody hears of it.
func (p *natsProxy) swallowAnswers() {
	p.swallow(func(_ []byte, answer bool) bool { return answer })
}

// swallowAcks throws away the acknowledgements of some streams until mend:
// these store messages, and their publishers do not hear of it.
func (p *natsProxy) swallowAcks(streams ...string) {
	p.swallow(func(frame []byte, answer bool) bool {
		return answer && slices.ContainsFunc(streams, func(stream string) bool {
			return bytes.Contains(frame, fmt.Appendf(nil, `{"stream":%q`, stream))
		})
	})
}

// mend lets bytes pass again. Connections of which bytes are missing are
// closed.
func (p *natsProxy) mend() {
	p.mu.Lock()
	lost := p.lose != nil
	if p.stalled != nil {
		close(p.stalled)
	}
	p.stalled, p.lose = nil, nil
	p.mu.Unlock()
	if lost {
		p.cut()
	}
}
