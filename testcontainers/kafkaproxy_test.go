package testcontainers

import (
	be "encoding/binary" // binary is the command under test
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafkaProxy stands between clients and a broker's second listener, and sees
// whole messages: one at a time on each connection, as our clients send them.
type kafkaProxy struct {
	listener net.Listener
	upstream string // set before the first connection

	mu    sync.Mutex
	rules proxyRules
	conns map[net.Conn]bool
	wait  sync.WaitGroup
}

// proxyRules are asked about every message; false closes the connection in its
// place. Either may be nil, and is called from one goroutine per connection.
type proxyRules struct {
	asked    func(kafkaRequest) bool
	answered func(kafkaRequest) bool
	held     func(kafkaRequest) *heldRequest // nil: goes on
}

// heldRequest is a request whose client is told nothing: its connection is
// closed. The broker gets the request later.
type heldRequest struct {
	due      <-chan struct{}
	answered func(kmsg.Response) // nil if no answer came
}

// kafkaRequest is a request as it goes over the wire, behind its size.
type kafkaRequest []byte

func (r kafkaRequest) key() kmsg.Key { return kmsg.Key(be.BigEndian.Uint16(r)) }

// read reads the request into into, whose key is the request's. The header of
// flexible versions ends with tags, of which we send none.
func (r kafkaRequest) read(into kmsg.Request) error {
	if len(r) < 10 {
		return io.ErrUnexpectedEOF
	}
	into.SetVersion(int16(be.BigEndian.Uint16(r[2:])))
	name := max(0, int(int16(be.BigEndian.Uint16(r[8:]))))
	body := 10 + name
	if into.IsFlexible() {
		body++
	}
	if len(r) < body || into.IsFlexible() && r[body-1] != 0 {
		return errors.New("not a request of ours")
	}
	return into.ReadFrom(r[body:])
}

func startKafkaProxy(t *testing.T) *kafkaProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &kafkaProxy{listener: l, conns: map[net.Conn]bool{}}
	p.wait.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.wait.Wait()
	})
	return p
}

func (p *kafkaProxy) address() string { return p.listener.Addr().String() }

// url names a topic as clients do that go through the proxy.
func (p *kafkaProxy) url(topic string) string { return "kafka://" + p.address() + "/" + topic }

// use sets the rules until the test ends.
func (p *kafkaProxy) use(t *testing.T, rules proxyRules) {
	set := func(rules proxyRules) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.rules = rules
	}
	set(rules)
	t.Cleanup(func() { set(proxyRules{}) })
}

// cut closes all connections.
func (p *kafkaProxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *kafkaProxy) hold(c net.Conn, held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if held {
		p.conns[c] = true
		return
	}
	delete(p.conns, c)
	_ = c.Close()
}

func (p *kafkaProxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.hold(client, true)
		p.wait.Go(func() {
			defer p.hold(client, false)
			broker, err := net.Dial("tcp", p.upstream)
			if err != nil {
				return
			}
			p.hold(broker, true)
			defer p.hold(broker, false)
			_ = p.serve(client, broker)
		})
	}
}

var errRuledOut = errors.New("a rule closes the connection")

func (p *kafkaProxy) serve(client, broker net.Conn) error {
	for {
		request, err := readKafka(client)
		if err != nil {
			return err
		}
		p.mu.Lock()
		rules := p.rules
		p.mu.Unlock()
		if rules.asked != nil && !rules.asked(request[4:]) {
			return errRuledOut
		}
		if rules.held != nil {
			if h := rules.held(request[4:]); h != nil {
				p.hold(client, false)
				h.answered(h.deliver(request, broker))
				return errRuledOut
			}
		}
		if _, err := broker.Write(request); err != nil {
			return err
		}
		answer, err := readKafka(broker)
		if err != nil {
			return err
		}
		if rules.answered != nil && !rules.answered(request[4:]) {
			return errRuledOut
		}
		if _, err := client.Write(answer); err != nil {
			return err
		}
	}
}

// deliver sends the request when it is due, and returns the answer.
func (h *heldRequest) deliver(request []byte, broker net.Conn) kmsg.Response {
	<-h.due
	if _, err := broker.Write(request); err != nil {
		return nil
	}
	answer, err := readKafka(broker)
	if err != nil {
		return nil
	}
	r := kafkaRequest(request[4:])
	response := kmsg.ResponseForKey(int16(r.key()))
	response.SetVersion(int16(be.BigEndian.Uint16(r[2:])))
	body := 8 // size and correlation
	if response.IsFlexible() {
		body++ // no tags
	}
	if len(answer) < body || response.ReadFrom(answer[body:]) != nil {
		return nil
	}
	return response
}

// readKafka reads a message with its size.
func readKafka(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := be.BigEndian.Uint32(size[:])
	if n < 4 || n > 100<<20 {
		return nil, errors.New("not a message")
	}
	b := make([]byte, 4+n)
	copy(b, size[:])
	_, err := io.ReadFull(r, b[4:])
	return b, err
}
