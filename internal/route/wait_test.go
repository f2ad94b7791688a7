package route

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// lines is a log that can be waited for.
type lines struct {
	mu    sync.Mutex
	b     bytes.Buffer
	wrote chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.wrote <- struct{}{}:
	default:
	}
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// freeAddress returns an address at which nobody listens.
func freeAddress(t *testing.T) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr)
}

// TestStartWaits begins before the server does. The wait is told of, and ends
// when the server is there.
func TestStartWaits(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte(`{"value":"v"}`+"\n"))
	at := freeAddress(t)
	log := &lines{wrote: make(chan struct{}, 1)}
	done := make(chan error)
	wait := time.Minute
	go func() {
		_, err := run(t, Encrypt, Config{
			From: "file:in.ndjson", To: "nats://" + at.String() + "/SEALED?create=true&subject=sealed", Wait: &wait,
		}, Env{Log: slog.New(slog.NewJSONHandler(log, nil))})
		done <- err
	}()
	for !strings.Contains(log.String(), "waiting for a service") {
		<-log.wrote
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: at.Port, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
	})
	must(t, err)
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	text := log.String()
	if !strings.Contains(text, `"level":"WARN","msg":"waiting for a service","service":"nats://`+at.String()+`/SEALED","at_most":"1m0s","error":"nats`) ||
		!strings.Contains(text, `"level":"INFO","msg":"the service is there"`) {
		t.Error(text)
	}
}

// TestStartGivesUp: the patience of a start is bounded, and the error says what
// was waited for and why.
func TestStartGivesUp(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte(`{"value":"v"}`+"\n"))
	at, wait := freeAddress(t).String(), time.Second
	for _, url := range []string{"nats://" + at + "/S?create=true&subject=s", "kafka://" + at + "/s?create=true"} {
		_, err := run(t, Encrypt, Config{From: "file:in.ndjson", To: url, Wait: &wait}, Env{})
		var late *retry.LateError
		if !errors.As(err, &late) || !strings.HasPrefix(err.Error(), "to: ") || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestWrongServiceIsNotWaitedFor: a server of another kind will not become the
// one that was meant.
func TestWrongServiceIsNotWaitedFor(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte(`{"value":"v"}`+"\n"))
	web, wait := httptest.NewServer(http.NotFoundHandler()), time.Hour
	defer web.Close()
	_, err := run(t, Encrypt, Config{
		From: "file:in.ndjson", To: "nats://" + web.Listener.Addr().String() + "/S?create=true&subject=s", Wait: &wait,
	}, Env{})
	var advised *hint.Error
	if !errors.As(err, &advised) || !strings.Contains(advised.Hint, "speaks HTTP, and NATS is wanted") {
		t.Errorf("%v", err)
	}
}
