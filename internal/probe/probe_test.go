package probe

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/twmb/franz-go/pkg/kfake"
)

// newTLS returns a server's configuration.
func newTLS(t *testing.T) *tls.Config {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	return &tls.Config{Certificates: s.TLS.Certificates, MinVersion: tls.VersionTLS12}
}

func startNATS(t *testing.T, o *server.Options) string {
	t.Helper()
	o.Host, o.Port, o.NoLog, o.NoSigs = "127.0.0.1", server.RANDOM_PORT, true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s.Addr().String()
}

func startKafka(t *testing.T, opts ...kfake.Opt) string {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

// listen runs a server that handles each connection with serve.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return l.Addr().String()
}

func waitForEnd(conn net.Conn) {
	for buf := make([]byte, 1024); ; {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}

func TestIdentify(t *testing.T) {
	plain, secured := httptest.NewServer(http.NotFoundHandler()), httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	t.Cleanup(secured.Close)
	closed := listen(t, waitForEnd)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	for name, c := range map[string]struct {
		server string
		want   Answer
	}{
		"NATS":            {startNATS(t, &server.Options{}), Answer{true, NATS, false}},
		"NATS, TLS":       {startNATS(t, &server.Options{TLSConfig: newTLS(t), TLS: true}), Answer{true, NATS, true}},
		"NATS, TLS first": {startNATS(t, &server.Options{TLSConfig: newTLS(t), TLS: true, TLSHandshakeFirst: true}), Answer{true, NATS, true}},
		"Kafka":           {startKafka(t), Answer{true, Kafka, false}},
		"Kafka, TLS":      {startKafka(t, kfake.TLS(newTLS(t))), Answer{true, Kafka, true}},
		"HTTP":            {strings.TrimPrefix(plain.URL, "http://"), Answer{true, HTTP, false}},
		"HTTPS":           {strings.TrimPrefix(secured.URL, "https://"), Answer{true, HTTP, true}},
		"SSH":             {listen(t, func(c net.Conn) { _, _ = c.Write([]byte("SSH-2.0-x\r\n")); waitForEnd(c) }), Answer{true, Other, false}},
		"silent":          {closed, Answer{true, Unknown, false}},
		"hangs up":        {listen(t, func(net.Conn) {}), Answer{true, Unknown, false}},
		"nobody":          {gone.Addr().String(), Answer{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Identify(t.Context(), c.server); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestAdvice(t *testing.T) {
	for name, c := range map[string]struct {
		wish   Wish
		answer Answer
		want   string // the beginning of what follows the server
	}{
		"right":               {Wish{NATS, false}, Answer{true, NATS, false}, ""},
		"right, TLS":          {Wish{Kafka, true}, Answer{true, Kafka, true}, ""},
		"nobody":              {Wish{NATS, false}, Answer{}, ""},
		"silent":              {Wish{NATS, false}, Answer{true, Unknown, false}, ""},
		"plaintext to TLS":    {Wish{NATS, false}, Answer{true, NATS, true}, "speaks TLS: say tls=true"},
		"plaintext to a wall": {Wish{Kafka, false}, Answer{true, Unknown, true}, "speaks TLS: say tls=true"},
		"TLS to plaintext":    {Wish{Kafka, true}, Answer{true, Kafka, false}, "speaks no TLS: leave out tls="},
		"another service":     {Wish{Kafka, false}, Answer{true, NATS, false}, "speaks NATS, and Kafka is wanted"},
		"a web server":        {Wish{NATS, false}, Answer{true, HTTP, true}, "speaks HTTP, and NATS is wanted"},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.wish.explainAnswer("h:1", c.answer)
			if c.want == "" && got != "" || !strings.HasPrefix(got, "h:1 "[:min(4, 4*len(c.want))]+c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
