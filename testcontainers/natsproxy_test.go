package testcontainers

import (
	"net"
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
	stalled chan struct{} // bytes wait until it is closed; nil: they pass
	swallow bool          // bytes of the server are thrown away
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
		p.wait.Go(func() { p.carry(server, client, false) })
		p.wait.Go(func() { p.carry(client, server, true) })
	}
}

// carry carries bytes until one side ends.
func (p *natsProxy) carry(to, from net.Conn, answers bool) {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range []net.Conn{to, from} {
			_ = c.Close()
			delete(p.conns, c)
		}
	}()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		p.mu.Lock()
		stalled, swallow := p.stalled, p.swallow && answers
		p.mu.Unlock()
		if stalled != nil {
			<-stalled
		}
		if swallow {
			continue
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
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

// swallowAnswers throws away all that the server says until mend: it acts on
// requests, and nobody hears of it.
func (p *natsProxy) swallowAnswers() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.swallow = true
}

// mend lets bytes pass again. Connections of which bytes are missing are
// closed.
func (p *natsProxy) mend() {
	p.mu.Lock()
	swallowed := p.swallow
	if p.stalled != nil {
		close(p.stalled)
	}
	p.stalled, p.swallow = nil, false
	p.mu.Unlock()
	if swallowed {
		p.cut()
	}
}
