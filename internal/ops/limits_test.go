package ops

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestRequestLimit: a request more than the limit is turned away at once.
func TestRequestLimit(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	handler := limit(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-release
	}))
	code := func() int {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		return w.Code
	}
	codes := make(chan int)
	for range maxRequests {
		go func() { codes <- code() }()
		<-entered
	}
	if got := code(); got != http.StatusServiceUnavailable {
		t.Errorf("a request too many: %d", got)
	}
	close(release)
	for range maxRequests {
		if got := <-codes; got != http.StatusOK {
			t.Errorf("a request within the limit: %d", got)
		}
	}
}

// TestRequestsAreLimited: the server's own paths have the limit.
func TestRequestsAreLimited(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s := serve(t, Options{Address: "127.0.0.1:0"}, func() []Route {
		entered <- struct{}{}
		<-release
		return nil
	})
	codes := make(chan int)
	for range maxRequests {
		go func() {
			res, _ := get(t, s, "/status.json")
			codes <- res.StatusCode
		}()
		<-entered
	}
	if res, _ := get(t, s, "/status.json"); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a request too many: %s", res.Status)
	}
	if res, _ := get(t, s, "/healthz"); res.StatusCode != http.StatusOK {
		t.Errorf("a probe: %s", res.Status)
	}
	close(release)
	for range maxRequests {
		if got := <-codes; got != http.StatusOK {
			t.Errorf("a request within the limit: %d", got)
		}
	}
}

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
