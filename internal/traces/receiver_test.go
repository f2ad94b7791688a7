package traces_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/streamcrypt/streamcrypt/internal/traces"
)

// receiver is a collector that keeps everything it is sent.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	answer  int // 0: 200
	raw     []byte
	spans   []*tracepb.Span
	names   []string // of services
	headers []http.Header
	paths   []string
}

func startReceiver(t *testing.T) *receiver {
	t.Helper()
	r := new(receiver)
	r.Server = httptest.NewServer(http.HandlerFunc(r.take))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) take(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	var data tracepb.TracesData
	if err != nil || proto.Unmarshal(body, &data) != nil || req.Header.Get("Content-Type") != "application/x-protobuf" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paths, r.headers = append(r.paths, req.URL.Path), append(r.headers, req.Header)
	if r.answer != 0 {
		w.WriteHeader(r.answer)
		return
	}
	r.raw = append(r.raw, body...)
	for _, of := range data.ResourceSpans {
		for _, a := range of.Resource.Attributes {
			if a.Key == "service.name" {
				r.names = append(r.names, a.Value.GetStringValue())
			}
		}
		for _, scope := range of.ScopeSpans {
			r.spans = append(r.spans, scope.Spans...)
		}
	}
}

func (r *receiver) setAnswer(code int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = code
}

// find returns the spans of this name.
func (r *receiver) find(name string) (found []*tracepb.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

// attributesOf returns the attributes of a span as text.
func attributesOf(s *tracepb.Span) map[string]string {
	all := make(map[string]string)
	for _, a := range s.Attributes {
		all[a.Key] = a.Value.String()
	}
	return all
}

// log is a log that several goroutines write.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func start(t *testing.T, endpoint string) (*traces.Traces, *log) {
	t.Helper()
	text := new(log)
	all, err := traces.Start(traces.Options{
		Endpoint: endpoint, Version: "v1.2.3", Instance: "me", Log: slog.New(slog.NewTextHandler(text, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, text
}
