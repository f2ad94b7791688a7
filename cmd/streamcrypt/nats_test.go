package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TestLiveRoute runs a route that has no end, and ends it: what came in is in
// the other stream, and the exit code says that all is well.
func TestLiveRoute(t *testing.T) {
	url, js := startNATS(t)
	for _, name := range []string{"ORDERS", "SEALED"} {
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{strings.ToLower(name) + ".>"}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := js.Publish(t.Context(), "orders.eu", []byte("widget")); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	key := "local:" + filepath.Join(dir, "key.jwk")
	if code, _, stderr := runArgs(t.Context(), "keygen", "local", "--out", filepath.Join(dir, "key.jwk")); code != exitOK {
		t.Fatal(stderr)
	}

	ctx, end := context.WithCancel(t.Context())
	defer end()
	ended := make(chan int)
	go func() {
		code, _, stderr := runArgs(ctx, "encrypt", "--key", key,
			"--from", url+"/ORDERS?consumer=enc", "--to", url+"/SEALED?subject=sealed.>")
		t.Log(stderr)
		ended <- code
	}()
	sealed := next(t, js, "SEALED")
	if sealed.Subject() != "sealed.orders.eu" || bytes.Contains(sealed.Data(), []byte("widget")) {
		t.Errorf("%s: %q", sealed.Subject(), sealed.Data())
	}
	end()
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d", code)
	}

	out := filepath.Join(dir, "out.ndjson")
	code, _, stderr := runArgs(t.Context(), "decrypt", "--key", key, "--from", url+"/SEALED?until=latest", "--to", "file:"+out)
	if code != exitOK {
		t.Fatal(stderr)
	}
	line, err := os.ReadFile(out)
	if err != nil || !bytes.Contains(line, []byte(`"value":"widget"`)) {
		t.Errorf("%s, %v", line, err)
	}
	for _, context := range []string{"OTHER", ""} { // an empty one is not the default one
		code, _, stderr = runArgs(t.Context(), "verify", "--key", key, "--from", url+"/SEALED", "--context", context)
		if code != exitFailed || !strings.HasPrefix(spoken(t, stderr), "streamcrypt: from SEALED@1: tampered\nhint: ") {
			t.Errorf("context %q: exit code %d:\n%s", context, code, stderr)
		}
	}
}

// TestInterrupted ends a run before its input does: half a file is not taken
// for a whole one.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key.jwk")
	if code, _, stderr := runArgs(t.Context(), "keygen", "local", "--out", key); code != exitOK {
		t.Fatal(stderr)
	}
	ctx, end := context.WithCancel(t.Context())
	end()
	for _, name := range []string{"in.ndjson", "in"} {
		t.Run(name, func(t *testing.T) {
			in := write(t, dir, name, []byte(`{"value":"v"}`+"\n"))
			out := filepath.Join(dir, "sealed-"+name)
			code, _, stderr := runArgs(ctx, "encrypt", "--key", "local:"+key, "--from", "file:"+in, "--to", "file:"+out)
			if code != exitInterrupted || !strings.Contains(spoken(t, stderr), "\nhint: ") {
				t.Errorf("exit code %d:\n%s", code, stderr)
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("there is an output file")
			}
		})
	}
}

// TestStoppedBeforeItWasOpen: a signal is the usual end of a route that has
// none of its own, also while it waits for its services.
func TestStoppedBeforeItWasOpen(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key.jwk")
	if code, _, stderr := runArgs(t.Context(), "keygen", "local", "--out", key); code != exitOK {
		t.Fatal(stderr)
	}
	ctx, end := context.WithCancel(t.Context())
	end()
	for until, want := range map[string]int{"?consumer=c": exitOK, "?until=latest": exitInterrupted} {
		code, _, stderr := runArgs(ctx, "encrypt", "--key", "local:"+key,
			"--from", "nats://127.0.0.1:1/ORDERS"+until, "--to", "nats://127.0.0.1:1/SEALED?subject=sealed.>")
		if code != want {
			t.Errorf("%q: exit code %d:\n%s", until, code, stderr)
		}
	}
}

// startNATS runs a server for the test and returns its URL and a client.
func startNATS(t *testing.T) (string, jetstream.JetStream) {
	t.Helper()
	url := "nats://" + startNATSWith(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	return url, connectNATS(t, url)
}

// startNATSWith runs a server for the test and returns its address.
func startNATSWith(t *testing.T, o *server.Options) string {
	t.Helper()
	o.Host, o.Port, o.NoLog, o.NoSigs = "127.0.0.1", server.RANDOM_PORT, true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s.Addr().(*net.TCPAddr).String()
}

// connectNATS returns a client, until the end of the test.
func connectNATS(t *testing.T, url string, options ...natsgo.Option) jetstream.JetStream {
	t.Helper()
	conn, err := natsgo.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// next waits for the first message of a stream.
func next(t *testing.T, js jetstream.JetStream, stream string) jetstream.Msg {
	t.Helper()
	consumer, err := js.OrderedConsumer(t.Context(), stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	m, err := messages.Next(jetstream.NextContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestPeekCommand shows envelopes of a stream as inspect does, and tells what
// is none.
func TestPeekCommand(t *testing.T) {
	inMistakesFolder(t)
	url := "nats://" + startNATSWith(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	code, _, stderr := runArgs(t.Context(), "encrypt", "--key", "local:key.jwk", "--from", "in.ndjson", "--to",
		url+"/SEALED?subject=sealed&create=true")
	if code != exitOK {
		t.Fatal(stderr)
	}
	code, stdout, stderr := runArgs(t.Context(), "peek", url+"/SEALED")
	if code != exitOK || !strings.HasPrefix(stdout, "SEALED@1: value\n") || !strings.Contains(stdout, "A256KW (-5), kid d83a4050d6d0c816") {
		t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
	}
	if code, stdout, _ := runArgs(t.Context(), "peek", "--json", "-n", "1", url+"/SEALED"); code != exitOK ||
		strings.Count(stdout, "\n") != 1 || !strings.Contains(stdout, `"origin":"SEALED@`) {
		t.Errorf("exit code %d: %s", code, stdout)
	}
	if code, _, stderr := runArgs(t.Context(), "peek", "in.ndjson"); code != exitNotStarted || !strings.Contains(stderr, "streamcrypt inspect") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if code, _, stderr := runArgs(t.Context(), "peek", url+"/NONE"); code != exitNotStarted || !strings.Contains(stderr, "from: nats stream NONE") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
