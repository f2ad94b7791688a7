package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAlarmWebhook: a run that ends with a place parked has told of it before
// the process ends, and mistakes are found before anything is opened.
func TestAlarmWebhook(t *testing.T) {
	dir := t.TempDir()
	key, in, out := filepath.Join(dir, "key.jwk"), filepath.Join(dir, "in.ndjson"), filepath.Join(dir, "out.ndjson")
	if code, _, stderr := runArgs(t.Context(), "keygen", "local", "--out", key); code != exitOK {
		t.Fatal(stderr)
	}
	if err := os.WriteFile(in, []byte(`{"value":"no envelope"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bodies := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies <- string(b)
	}))
	defer server.Close()
	args := []string{"decrypt", "--key", "local:" + key, "--from", "file:" + in, "--to", "file:" + out, "--name", "open", "--instance", "me"}
	code, _, stderr := runArgs(t.Context(), append(args, "--alarm-webhook", server.URL)...)
	if code != exitFailed || len(bodies) != 1 {
		t.Fatalf("exit code %d, %d alarms: %s", code, len(bodies), stderr)
	}
	body := <-bodies
	for _, want := range []string{`"kind":"parked"`, `"state":"raised"`, `"route":"open"`, `not-an-envelope`} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
	if strings.Contains(body, "no envelope") && strings.Contains(body, `"value"`) {
		t.Errorf("a payload is shown: %s", body)
	}
	code, _, stderr = runArgs(t.Context(), append(args, "--alarm-webhook", "http://example.com/")...)
	if code != exitNotStarted || !strings.Contains(spoken(t, stderr), "is another machine") {
		t.Error(code, stderr)
	}
}
