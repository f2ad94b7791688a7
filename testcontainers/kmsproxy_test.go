package testcontainers

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// proxy stands before an emulator. It notes all calls, and answers in the
// emulator's place while it is told to.
type proxy struct {
	*httptest.Server
	mu    sync.Mutex
	fault http.HandlerFunc // nil: none
	calls []call
}

// call is one call of KMS, without anything that is a key.
type call struct {
	op     string // GenerateDataKey, Decrypt ...
	cache  string // the pair "cache" of the encryption context
	blob   string // the wrapped key that came with it
	failed bool   // by a fault
	at     time.Time
	key    string // the key's ARN, in the answer
	out    string // the wrapped key in the answer
}

func newProxy(t *testing.T, endpoint string) *proxy {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(target)
	through.Transport = &http.Transport{DisableKeepAlives: true} // else the emulator may hang up on one, and a call would be made twice
	p := &proxy{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, fault := p.note(r)
		if fault != nil {
			fault(w, r)
			return
		}
		answer := &recorder{ResponseWriter: w}
		through.ServeHTTP(answer, r)
		p.noteAnswer(n, answer.body.Bytes())
	}))
	t.Cleanup(p.Close)
	return p
}

// recorder keeps a copy of an answer.
type recorder struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) {
	r.body.Write(b)
	return r.ResponseWriter.Write(b)
}

func (p *proxy) note(r *http.Request) (n int, fault http.HandlerFunc) {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	var in struct {
		CiphertextBlob    string
		EncryptionContext map[string]string
	}
	_ = json.Unmarshal(body, &in)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, call{
		op: op, cache: in.EncryptionContext["cache"], blob: in.CiphertextBlob, failed: p.fault != nil, at: time.Now(),
	})
	return len(p.calls) - 1, p.fault
}

func (p *proxy) noteAnswer(n int, body []byte) {
	var out struct{ KeyId, CiphertextBlob string }
	_ = json.Unmarshal(body, &out)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[n].key, p.calls[n].out = out.KeyId, out.CiphertextBlob
}

// setFault has all calls from now on answered by fault; nil: by the emulator.
func (p *proxy) setFault(fault http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
}

// of returns the calls of an operation so far.
func (p *proxy) of(op string) (calls []call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.calls {
		if c.op == op {
			calls = append(calls, c)
		}
	}
	return calls
}

// failed returns the calls so far that met a fault.
func (p *proxy) failed() (calls []call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.calls {
		if c.failed {
			calls = append(calls, c)
		}
	}
	return calls
}

// once checks that an operation was called for n wrapped keys, for each of them
// once.
func (p *proxy) once(t *testing.T, op string, n int) {
	t.Helper()
	calls := p.of(op)
	blobs := map[string]bool{}
	for _, c := range calls {
		blobs[c.blob] = true
	}
	if len(calls) != n || len(blobs) != n {
		t.Errorf("%d calls of %s for %d wrapped keys, of %d", len(calls), op, len(blobs), n)
	}
}

// await waits until something is so, which must come to be before ended is
// closed.
func await(t *testing.T, what string, ended <-chan struct{}, is func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !is() {
		select {
		case <-tick.C:
		case <-ended:
			t.Fatalf("%s: the command has ended", what)
		case <-deadline:
			t.Fatalf("%s: not within a minute", what)
		}
	}
}
