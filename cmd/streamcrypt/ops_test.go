package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/internal/endpoint/all"
)

// TestOpsServer asks a route about itself while it waits for more input.
func TestOpsServer(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key.jwk")
	if code, _, stderr := runArgs(t.Context(), "keygen", "local", "--out", key); code != exitOK {
		t.Fatal(stderr)
	}
	in, feed := io.Pipe()
	log := &said{lines: make(chan string, 100)}
	ended := make(chan int, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		ended <- startProgram(ctx, []string{
			"encrypt", "--key", "local:" + key, "--from", "file:-?format=ndjson", "--to", "file:" + filepath.Join(dir, "out.scx"),
			"--ops", "127.0.0.1:0", "--name", "seal",
		}, stdio{in, io.Discard, log}, all.Table(), nil)
	}()
	address := ""
	for open := false; !open; {
		var line struct{ Msg, Address, Error string }
		if err := json.Unmarshal([]byte(<-log.lines), &line); err != nil || line.Error != "" {
			t.Fatal(err, line)
		}
		switch line.Msg {
		case "ops server":
			address = line.Address
		case "route open":
			open = true
		}
	}
	if _, err := io.WriteString(feed, `{"key":"a","value":"secret"}`+"\n"); err != nil {
		t.Fatal(err)
	}
	if code, body := ask(t, address, "/healthz"); code != http.StatusOK {
		t.Error(code, body)
	}
	// Messages are counted when they are written; the phase shows sooner.
	code, body := ask(t, address, "/metrics")
	if code != http.StatusOK || !strings.Contains(body, `streamcrypt_route_info{direction="encrypt",from="file:-"`) {
		t.Error(code, body)
	}
	if err := feed.Close(); err != nil {
		t.Fatal(err)
	}
	if code := <-ended; code != exitOK {
		t.Error(code, log.String())
	}
	if strings.Contains(body, "secret") {
		t.Error("a payload is shown")
	}
	res, err := http.Get("http://" + address + "/healthz")
	if err == nil {
		res.Body.Close()
		t.Error("the server outlives the route")
	}
}

func ask(t *testing.T, address, path string) (code int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// TestOpsAddressInUse: nothing is opened if the server cannot be.
func TestOpsAddressInUse(t *testing.T) {
	dir := t.TempDir()
	key, in, out := filepath.Join(dir, "key.jwk"), filepath.Join(dir, "in.ndjson"), filepath.Join(dir, "out.scx")
	if code, _, stderr := runArgs(t.Context(), "keygen", "local", "--out", key); code != exitOK {
		t.Fatal(stderr)
	}
	if err := os.WriteFile(in, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken := listen(t)
	code, _, stderr := runArgs(t.Context(), "encrypt", "--key", "local:"+key, "--from", "file:"+in, "--to", "file:"+out, "--ops", taken)
	if code != exitNotStarted || !strings.Contains(spoken(t, stderr), "ops: listen tcp "+taken) {
		t.Error(code, stderr)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("an output was made")
	}
}

// listen takes an address, and returns it.
func listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}
