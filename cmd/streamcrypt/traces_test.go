package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spanKeeper is a collector of OpenTelemetry.
type spanKeeper struct {
	*httptest.Server
	mu    sync.Mutex
	raw   []byte
	names map[string]int // of spans
	links int
}

func startSpanKeeper(t *testing.T) *spanKeeper {
	t.Helper()
	k := &spanKeeper{names: make(map[string]int)}
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var data tracepb.TracesData
		if err != nil || proto.Unmarshal(body, &data) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.raw = append(k.raw, body...)
		for _, of := range data.ResourceSpans {
			for _, scope := range of.ScopeSpans {
				for _, span := range scope.Spans {
					k.names[span.Name]++
					k.links += len(span.Links)
				}
			}
		}
	}))
	t.Cleanup(k.Close)
	return k
}

// TestTraces: a run tells a collector of its batches and of its calls for keys,
// with links to where messages come from, and nothing of their contents. One
// without the flag tells nobody, and mistakes are found before anything is
// opened.
func TestTraces(t *testing.T) {
	dir := t.TempDir()
	key, in := filepath.Join(dir, "key.jwk"), filepath.Join(dir, "in.ndjson")
	mustRunArgs(t, "keygen", "local", "--out", key)
	write(t, dir, "in.ndjson", []byte(`{"key":"card-4111","value":"card-4111","headers":[`+
		`["traceparent","00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],["note","card-4111"]]}`+"\n"))
	k := startSpanKeeper(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", k.URL) // it starts nothing by itself
	encrypt := func(out string) []string {
		return []string{"encrypt", "--key", "local:" + key, "--from", "file:" + in, "--to", "file:" + filepath.Join(dir, out)}
	}
	mustRunArgs(t, encrypt("1.ndjson")...)
	if len(k.raw) > 0 {
		t.Fatal("traces without --otel")
	}
	mustRunArgs(t, append(encrypt("2.ndjson"), "--otel", k.URL)...)
	for _, name := range []string{"encrypt batch", "read", "transform", "write", "commit", "key wrap"} {
		if k.names[name] != 1 {
			t.Errorf("%d spans %s of %v", k.names[name], name, k.names)
		}
	}
	if k.links != 1 || bytes.Contains(k.raw, []byte("card-4111")) {
		t.Errorf("%d links; or something of a message is in a span", k.links)
	}

	file := write(t, dir, "run.yaml", []byte("otel: "+k.URL+"\ndefaults: {key: 'local:"+key+"'}\nroutes:\n"+
		"  back: {do: decrypt, from: 'file:"+filepath.Join(dir, "2.ndjson")+"', to: 'file:"+filepath.Join(dir, "3.ndjson")+"'}\n"))
	mustRunArgs(t, "run", "-c", file, "--instance", "member-7")
	if !bytes.Contains(k.raw, []byte("member-7")) {
		t.Error("the traces do not name the instance")
	}
	if k.names["decrypt batch"] != 1 || k.names["key unwrap"] != 1 || k.links != 2 {
		t.Errorf("%v, %d links", k.names, k.links)
	}
	code, _, stderr := runArgs(t.Context(), append(encrypt("4.ndjson"), "--otel", "http://collector:4318")...)
	if code != exitNotStarted || !strings.Contains(spoken(t, stderr), "is another machine") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
