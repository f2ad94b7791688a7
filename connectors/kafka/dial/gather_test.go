package dial

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// countedConn counts what reaches the network.
type countedConn struct {
	net.Conn
	reads, writes atomic.Int64
	broken        atomic.Bool
}

var errCut = errors.New("cut")

func (c *countedConn) Read(b []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(b)
}

func (c *countedConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	if c.broken.Load() {
		return 0, errCut
	}
	return c.Conn.Write(b)
}

// startEcho returns a TLS connection to a peer that sends back all that it
// reads, and the network connection below.
func startEcho(t *testing.T) (*secureConn, *countedConn) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	certificates := server.TLS.Certificates
	server.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		raw, err := l.Accept()
		if err != nil {
			return
		}
		c := tls.Server(raw, &tls.Config{Certificates: certificates, MinVersion: tls.VersionTLS13})
		_, _ = io.Copy(c, c)
		_ = raw.Close()
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	counted := &countedConn{Conn: raw}
	c := newSecureConn(counted, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	t.Cleanup(func() { _ = raw.Close(); _ = l.Close(); <-done })
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c, counted
}

// TestGathered: a megabyte over TLS is a few calls of the system each way, and
// requests of all sizes arrive as they are.
func TestGathered(t *testing.T) {
	c, counted := startEcho(t)
	rnd := rand.NewChaCha8([32]byte{1})
	for _, n := range []int{1, 4, 100, tlsRecord + 1, gatheredRead, gatheredWrite, 1 << 20, 5, 3<<20 + 1} {
		sent, got := make([]byte, n), make([]byte, n)
		_, _ = rnd.Read(sent)
		before := counted.writes.Load()
		failed := make(chan error, 1)
		go func() { // the peer's answer comes while the rest is sent
			_, err := io.ReadFull(c, got)
			failed <- err
		}()
		if m, err := c.Write(sent); m != n || err != nil {
			t.Fatalf("%d bytes: %d, %v", n, m, err)
		}
		wrote := counted.writes.Load() - before
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(sent, got) {
			t.Errorf("%d bytes came back changed", n)
		}
		if most := int64(n/(gatheredWrite*3/4) + 3); wrote > most {
			t.Errorf("%d bytes: %d writes, more than %d", n, wrote, most)
		}
	}
}

// TestGatheredError: a request whose last part could not be sent is an error.
func TestGatheredError(t *testing.T) {
	c, counted := startEcho(t)
	counted.broken.Store(true)
	if n, err := c.Write(make([]byte, gatheredRead+1)); n != 0 || !errors.Is(err, errCut) {
		t.Errorf("%d, %v", n, err)
	}
	if len(c.below.held) > 0 || c.below.holding {
		t.Error("something still waits")
	}
}

// TestGatheredDeadline: a write to a peer that does not read ends with the
// connection's deadline.
func TestGatheredDeadline(t *testing.T) {
	c, _ := startEcho(t) // which nobody reads, so that the peer stops reading too
	stop := time.AfterFunc(100*time.Millisecond, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop.Stop()
	for range 1000 {
		if _, err := c.Write(make([]byte, 1<<20)); err != nil {
			if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
				t.Errorf("got %v", err)
			}
			return
		}
	}
	t.Error("a gigabyte went to a peer that does not read")
}
