//go:build releasecheck

package testcontainers

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/chromedp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TestPageDriven has a browser open the status page of a route that decrypts.
// It is asked for the token, and the page shows that the route is ready; while
// the page stays open the route is parked, and the page shows that too.
// TEST_SCREENSHOT names a file for a picture of the end.
func TestPageDriven(t *testing.T) {
	const token = "0123456789abcdef0123"
	dir := t.TempDir()
	key, tokenFile := filepath.Join(dir, "key.jwk"), filepath.Join(dir, "token")
	if err := os.WriteFile(tokenFile, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	url, js := startJetStream(t)
	publish := func(subject, value string) {
		if _, err := js.Publish(t.Context(), subject, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	streamcrypt(t.Context(), t, "keygen", "local", "--out", key)
	for range 3 {
		publish("orders", "widget")
	}
	streamcrypt(t.Context(), t, "encrypt", "--key", "local:"+key,
		"--from", url+"/ORDERS?consumer=seal&until=latest", "--to", url+"/SEALED?subject=sealed")
	route := start(t, "decrypt", "--key", "local:"+key, "--name", "open", "--from", url+"/SEALED?consumer=open",
		"--to", url+"/OPENED?subject=opened", "--ops", "127.0.0.1:0", "--ops-token-file", tokenFile)
	page := "http://" + awaitOpsAddress(t, route) + "/"

	b := openBrowser(t)
	b.visit(page)
	b.await(`document.body.innerText`, "a token is needed")
	b.knowPassword(token)
	b.visit(page)
	const section = `(document.querySelector('section[data-route="open"]') || document.body).innerText`
	b.await(section, "open\nready\n", "messages\n3\n")
	b.evaluate(`document.body.dataset.mark = "same"`)
	publish("sealed", "no envelope")
	b.await(section, "open\nnot ready\n", "parked since 2", "not-an-envelope", "hint: ")
	if mark := b.evaluate(`document.body.dataset.mark || "none"`); mark != "same" {
		t.Errorf("the page was loaded anew: mark %q", mark)
	}
	if path := os.Getenv("TEST_SCREENSHOT"); path != "" {
		picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
		if err != nil || !bytes.HasPrefix(picture, []byte("\x89PNG")) {
			t.Errorf("no picture: %v, %d bytes", err, len(picture))
		}
		if err := os.WriteFile(path, picture, 0o644); err != nil { //nolint:gosec // everybody may see it
			t.Error(err)
		}
	}
}

// browser is a chromium without a window, with one page.
type browser struct {
	*testing.T
	ctx      context.Context //nolint:containedctx // chromedp keeps the browser in it
	password string          // that a person would type; "" cancels the question
	mu       sync.Mutex      // guards password
}

func openBrowser(t *testing.T) *browser {
	t.Helper()
	b := &browser{T: t}
	var answering sync.WaitGroup
	t.Cleanup(answering.Wait)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.WSURLReadTimeout(2*time.Minute), chromedp.UserDataDir(t.TempDir()),
		chromedp.WindowSize(1200, 900))...)
	t.Cleanup(cancel)
	b.ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	asked, handle := true, chromedp.Events(b.ctx, fetch.AuthRequired)
	paused := chromedp.Events(b.ctx, fetch.RequestPaused)
	if _, err := chromedp.Call(b.ctx, fetch.Enable, fetch.EnableParams{HandleAuthRequests: &asked}); err != nil {
		t.Fatalf("the browser does not start (Debian: apt-get install chromium): %v", err)
	}
	answering.Go(func() {
		for event, err := range paused {
			if err != nil {
				return
			}
			_, _ = chromedp.Call(b.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: event.RequestID})
		}
	})
	answering.Go(func() {
		for event, err := range handle {
			if err != nil {
				return
			}
			_, _ = chromedp.Call(b.ctx, fetch.ContinueWithAuth, fetch.ContinueWithAuthParams{
				RequestID: event.RequestID, AuthChallengeResponse: b.typePassword(),
			})
		}
	})
	return b
}

// typePassword answers the question for a password as a person does.
func (b *browser) typePassword() *fetch.AuthChallengeResponse {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.password == "" {
		return &fetch.AuthChallengeResponse{Response: fetch.AuthChallengeResponseResponseCancelAuth}
	}
	return &fetch.AuthChallengeResponse{
		Response: fetch.AuthChallengeResponseResponseProvideCredentials, Username: "me", Password: b.password,
	}
}

func (b *browser) knowPassword(password string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.password = password
}

// visit opens a page. Its answer may be an error of HTTP.
func (b *browser) visit(url string) {
	b.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.NavigateResponse(url)); err != nil {
		b.Fatalf("the browser cannot open %s: %v", url, err)
	}
}

// evaluate returns the text that an expression of JavaScript gives.
func (b *browser) evaluate(expression string) string {
	b.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return text
}

// await waits until an expression gives a text with all of these parts.
func (b *browser) await(expression string, parts ...string) {
	b.Helper()
	shown := ""
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		shown = b.evaluate(expression)
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(shown, part) }) {
			return
		}
	}
	b.Fatalf("the page does not show %q but\n%s", parts, shown)
}

// startJetStream starts a NATS server in this process with the streams of the
// route.
func startJetStream(t *testing.T) (url string, js jetstream.JetStream) {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server is not ready")
	}
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ORDERS", "SEALED", "OPENED"} {
		config := jetstream.StreamConfig{Name: name, Subjects: []string{strings.ToLower(name)}}
		if _, err := js.CreateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	return s.ClientURL(), js
}

// awaitOpsAddress waits for the address of the process's ops server in its log.
func awaitOpsAddress(t *testing.T, p *process) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for line := range strings.Lines(p.logs.String()) {
			var said struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "ops server" {
				return said.Address
			}
		}
	}
	t.Fatalf("no ops server:\n%s", p.logs.String())
	return ""
}
