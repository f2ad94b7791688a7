package ops

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestConnectionsAreLimited: a connection more than the limit is served when
// another one has ended, and not before.
func TestConnectionsAreLimited(t *testing.T) {
	s := serve(t, Options{Address: "127.0.0.1:0"}, one(busyRoute()))
	connect := func() net.Conn {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	probe := func(c net.Conn) error {
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return err
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
	var first net.Conn
	for range maxConnections {
		c := connect()
		if err := probe(c); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = c
		}
	}
	extra, served := connect(), make(chan error, 1)
	go func() { served <- probe(extra) }()
	for range 50 { // time enough for a server that would serve it
		if err := probe(first); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-served:
		t.Fatalf("a connection too many was served: %v", err)
	default:
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestHeadersAreLimited: a request with lines that nobody needs is refused, or
// its connection reset.
func TestHeadersAreLimited(t *testing.T) {
	s := serve(t, Options{Address: "127.0.0.1:0"}, one(busyRoute()))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Address()+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Long", strings.Repeat("x", 2*maxHeaders))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Error(res.Status)
	}
}
