//go:build releasecheck

package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/watch"
)

// browse opens the page in Debian's chromium, without a window, and returns the
// document after two looks at the figures.
func browse(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "chromium",
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir="+t.TempDir(),
		"--virtual-time-budget=5000", "--window-size=1200,900", "--dump-dom", url).Output()
	if err != nil {
		t.Fatal("chromium (Debian: apt-get install chromium): ", err)
	}
	return string(out)
}

// serveHurried returns the URL of a server in front of s that has the status
// rendered for every request: the time of a browser without a window runs
// ahead, so that two looks come within one second.
func serveHurried(t *testing.T, s *Server) string {
	t.Helper()
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: s.Address()})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.rendered.forget()
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return front.URL + "/"
}

// TestBrowser looks at the page as a person does. TestPageDriven of module
// testcontainers does so while a route runs, and takes a picture.
func TestBrowser(t *testing.T) {
	r := busyRoute()
	const name = "orders/<img src=x onerror=alert(1)>"
	r.Watch.ObservePlace(name, 9, errors.New("tampered: chunk 4"))
	s, err := Start(t.Context(), Options{Address: "127.0.0.1:0"}, Source{
		Version: "1.2.3", Routes: one(r), Log: slog.New(slog.DiscardHandler),
		Hint: func(error) string { return "it was changed, or moved" },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	address := serveHurried(t, s)
	page := browse(t, address)
	for _, want := range []string{
		"seal-orders", "not ready", "1 places are parked", "orders/&lt;img src=x onerror=alert(1)&gt;",
		"tampered: chunk 4", "hint: it was changed, or moved", ">normal<", "key age", "as of 2", "0/s",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

// TestAnswersWhileBusy measures the status of 1,000 places while all processors
// count batches.
func TestAnswersWhileBusy(t *testing.T) {
	r := busyRoute()
	for i := range watch.MaxPlaces {
		r.Watch.SetLag(fmt.Sprintf("orders/%d", i), int64(i))
	}
	s := serve(t, Options{Address: "127.0.0.1:0"}, one(r))
	var shown status
	if _, body := get(t, s, "/status.json"); json.Unmarshal([]byte(body), &shown) != nil || len(shown.Routes) != 1 {
		t.Fatal(body)
	}
	if n := len(shown.Routes[0].Places); n != watch.MaxPlaces {
		t.Fatalf("%d places are shown", n)
	}
	stop := loadProcessors(r.Watch)
	defer stop()
	var took []time.Duration
	for range 200 {
		began := time.Now()
		get(t, s, "/status.json")
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("of 200 answers half took up to %v, 95 %% up to %v, all up to %v", took[100], took[190], took[199])
}
