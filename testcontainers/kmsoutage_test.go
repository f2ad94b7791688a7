package testcontainers

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys/awskms"
)

// faulty stands before an emulator and answers in its place while it is told to.
type faulty struct {
	*httptest.Server
	fault  atomic.Pointer[http.HandlerFunc]
	calls  atomic.Int32
	waited chan struct{} // closed when the fault has been met as often as a service must be to be thought away
}

func newFaulty(t *testing.T, endpoint string) *faulty {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(target)
	f := &faulty{waited: make(chan struct{})}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fault := f.fault.Load()
		if fault == nil {
			through.ServeHTTP(w, r)
			return
		}
		if f.calls.Add(1) == 3 {
			close(f.waited)
		}
		(*fault)(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

// TestKMSOutage has the command wait for a KMS that is away at its start, and go on by itself when it is back.
func TestKMSOutage(t *testing.T) {
	faults := map[string]http.HandlerFunc{
		"503": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"429": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"throttled": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"ThrottlingException"}`)
		},
		"cut off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	emulators(t, func(t *testing.T, e *emulator) {
		for name, fault := range faults {
			t.Run(name, func(t *testing.T) { kmsOutage(newAccount(t, e), fault) })
		}
	})
}

func kmsOutage(a *account, fault http.HandlerFunc) {
	arn := a.symmetric()
	a.generate(a.key(awskms.Options{Key: arn})) // it is there
	dir := a.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	plain := bytes.Repeat([]byte("plain\n"), 1000)
	if err := os.WriteFile(file("in"), plain, 0o600); err != nil {
		a.Fatal(err)
	}
	for _, command := range [][]string{
		{"encrypt", "--from", "file:" + file("in"), "--to", "file:" + file("sealed")},
		{"decrypt", "--from", "file:" + file("sealed"), "--to", "file:" + file("out")},
	} {
		proxy := newFaulty(a.T, a.endpoint)
		proxy.fault.Store(&fault)
		running := start(a.T, append(command, "--key", fmt.Sprintf("awskms:%s?endpoint=%s", arn, proxy.URL))...)
		select {
		case <-proxy.waited:
		case <-running.ended:
			a.Fatalf("%s ended: %v", command[0], running.err)
		case <-a.ctx.Done():
			a.Fatal(a.ctx.Err())
		}
		proxy.fault.Store(nil)
		<-running.ended
		if running.err != nil {
			a.Fatalf("%s: %v", command[0], running.err)
		}
	}
	if got := readFile(a.T, file("out")); !bytes.Equal(got, plain) {
		a.Errorf("%d bytes, not those that went in", len(got))
	}
}
