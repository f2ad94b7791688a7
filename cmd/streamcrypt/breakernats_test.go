package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/internal/endpoint/all"
)

// guessRig is a stream with envelopes of another key between two good ones.
type guessRig struct {
	t       *testing.T
	url     string
	js      jetstream.JetStream
	other   string   // file of the other key
	command []string // that decrypts it
}

// mustRunArgs runs the program, which has to go well.
func mustRunArgs(t *testing.T, args ...string) {
	t.Helper()
	if code, _, stderr := runArgs(t.Context(), args...); code != exitOK {
		t.Fatalf("%q: exit code %d: %s", args, code, stderr)
	}
}

// newGuessRig makes a stream of a good envelope, so many of another key, and
// another good one.
func newGuessRig(t *testing.T, guesses int) *guessRig {
	t.Helper()
	url, js := startNATS(t)
	for _, name := range []string{"PLAIN", "GUESSES", "SEALED", "OUT", "DEAD"} {
		config := jetstream.StreamConfig{Name: name, Subjects: []string{strings.ToLower(name)}}
		if _, err := js.CreateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	key, other := filepath.Join(dir, "key.jwk"), filepath.Join(dir, "other.jwk")
	for _, file := range []string{key, other} {
		mustRunArgs(t, "keygen", "local", "--out", file)
	}
	r := &guessRig{t, url, js, other, []string{
		"decrypt", "--key", "local:" + key, "--to", url + "/OUT?subject=out", "--dead-letter", url + "/DEAD?subject=dead",
	}}
	r.seal("PLAIN", key, 1)
	r.guess(guesses)
	r.seal("PLAIN", key, 1)
	return r
}

// seal seals n messages through one of the streams.
func (r *guessRig) seal(stream, key string, n int) {
	r.t.Helper()
	for range n {
		if _, err := r.js.Publish(r.t.Context(), strings.ToLower(stream), []byte("widget")); err != nil {
			r.t.Fatal(err)
		}
	}
	mustRunArgs(r.t, "encrypt", "--key", "local:"+key, "--from", r.url+"/"+stream+"?consumer=seal&until=latest",
		"--to", r.url+"/SEALED?subject=sealed")
}

// guess adds n envelopes of another key.
func (r *guessRig) guess(n int) { r.seal("GUESSES", r.other, n) }

// count returns how many messages a stream has.
func (r *guessRig) count(stream string) uint64 {
	r.t.Helper()
	s, err := r.js.Stream(r.t.Context(), stream)
	if err != nil {
		r.t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

// TestGuessesAddUpOverRestarts: a run that ends before its breaker opens leaves
// its count to the next one, so that a restart does not give ten more guesses.
func TestGuessesAddUpOverRestarts(t *testing.T) {
	r := newGuessRig(t, 6)
	args := append(r.command, "--from", r.url+"/SEALED?consumer=dec&until=latest")
	code, _, stderr := runArgs(t.Context(), args...)
	if dead := r.count("DEAD"); code != exitOK || dead != 6 || r.count("OUT") != 2 {
		t.Fatalf("exit code %d, %d letters, %d messages:\n%s", code, dead, r.count("OUT"), stderr)
	}
	r.guess(6)
	code, _, stderr = runArgs(t.Context(), args...)
	if dead := r.count("DEAD"); code != exitBreaker || dead != 10 || r.count("OUT") != 2 {
		t.Fatalf("after a restart: exit code %d, %d letters, %d messages:\n%s", code, dead, r.count("OUT"), stderr)
	}
}

// TestBreakerOverJetStream: the breaker of a stream stays open over restarts,
// since its state is in the consumer's lease, and a person closes it: at the
// start, or by a request. The alarm about it is raised once and cleared once.
func TestBreakerOverJetStream(t *testing.T) {
	r := newGuessRig(t, 25)
	for _, run := range []struct {
		name string
		more []string
		dead uint64 // letters in all
	}{
		{"at first", nil, 10}, {"after a restart", nil, 10}, {"resumed at the start", []string{"--resume"}, 20},
		{"after another restart", nil, 20},
	} {
		args := append(append(r.command, "--from", r.url+"/SEALED?consumer=dec&until=latest"), run.more...)
		code, _, stderr := runArgs(t.Context(), args...)
		if dead := r.count("DEAD"); code != exitBreaker || dead != run.dead || r.count("OUT") != 1 {
			t.Fatalf("%s: exit code %d, %d letters, %d messages:\n%s", run.name, code, dead, r.count("OUT"), stderr)
		}
		if !strings.Contains(spoken(t, stderr), "--resume") {
			t.Errorf("%s: no advice: %s", run.name, stderr)
		}
	}
	leases, err := r.js.KeyValue(t.Context(), "streamcrypt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leases.Get(t.Context(), "lease.SEALED.dec"); err != nil {
		t.Errorf("the lease: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const token = "0123456789abcdef0123"
	file := write(t, t.TempDir(), "token", []byte(token))
	alarms := new(growing)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(alarms, r.Body)
	}))
	defer hook.Close()
	log, ended := new(growing), make(chan int, 1)
	go func() {
		ended <- startProgram(ctx, append(r.command, "--from", r.url+"/SEALED?consumer=dec", "--name", "open",
			"--ops", "127.0.0.1:0", "--ops-token-file", file, "--alarm-webhook", hook.URL), stdio{strings.NewReader(""), new(growing), log}, all.Table(), nil)
	}()
	address := ""
	await := func(what string, holds func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("never %s: %s", what, log)
			}
		}
	}
	request := func(method, path string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	await("listening", func() bool { address = findOpsAddress(log.String()); return address != "" })
	await("parked", func() bool { return strings.Contains(log.String(), "place parked") })
	await("told of", func() bool {
		return strings.Contains(alarms.String(), `"kind":"breaker","state":"raised","route":"open"`)
	})
	if dead := r.count("DEAD"); dead != 20 || request(http.MethodGet, "/readyz") == http.StatusOK {
		t.Errorf("%d letters, and it is ready: %s", dead, log)
	}
	if code := request(http.MethodPost, "/routes/open/resume"); code != http.StatusAccepted {
		t.Fatal(code)
	}
	await("at the end", func() bool { return r.count("OUT") == 2 && r.count("DEAD") == 25 })
	await("ready", func() bool { return request(http.MethodGet, "/readyz") == http.StatusOK })
	await("told that it is over", func() bool {
		return strings.Contains(alarms.String(), `"kind":"breaker","state":"cleared","route":"open"`)
	})
	cancel()
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d: %s", code, log)
	}
	if n := strings.Count(alarms.String(), `"kind":`); n != 2 {
		t.Errorf("%d alarms, and one was raised and cleared: %s", n, alarms)
	}
}

// findOpsAddress returns the address of the ops server in a log; "" before it
// is there.
func findOpsAddress(log string) string {
	_, rest, _ := strings.Cut(log, `"msg":"ops server"`)
	_, rest, found := strings.Cut(rest, `"address":"`)
	address, _, _ := strings.Cut(rest, `"`)
	if !found {
		return ""
	}
	return address
}
