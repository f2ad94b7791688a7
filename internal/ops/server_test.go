package ops

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys/guard"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// busyRoute is a route that has seen a bit of everything.
func busyRoute() Route {
	w := new(watch.Route)
	w.ObserveBatch([]pipeline.PlaceCounts{{
		Place: "orders/0", Next: 12, Read: 7, Written: 5, Skipped: 1, BytesIn: 700, BytesOut: 900,
		Rejected: map[pipeline.Reason]int64{pipeline.ReasonTampered: 1},
	}})
	w.ObserveBatch([]pipeline.PlaceCounts{{Place: "orders/1", Next: 3, Read: 3, Written: 3}})
	w.SetLag("orders/1", 4)
	w.Gates.Gaps.Add(2)
	w.FetchBytes(1000)
	w.EndTransaction(true, 1500*time.Millisecond)
	w.KeyEvent(kekcache.KeyEvent{Side: kekcache.Sealing, Context: "orders", Op: kekcache.OpWindowOpened})
	w.KeyCall(kekcache.KeyCall{Side: kekcache.Sealing, Op: "generate", Key: "local:abc", Outcome: kekcache.OutcomeOK, Took: 2 * time.Second})
	w.KeyEvent(kekcache.KeyEvent{
		Side: kekcache.Sealing, Context: "orders", Op: kekcache.OpWindowClosed, Age: 20 * time.Second, Messages: 50,
	})
	w.KeyEvent(kekcache.KeyEvent{Side: kekcache.Sealing, Context: "orders", Op: kekcache.OpWindowOpened})
	w.KeyState(kekcache.StateChange{Side: kekcache.Opening, Context: "orders"})
	w.BreakerState("local:abc", guard.Closed)
	w.SetWorkers(3)
	w.BeginWork()
	w.BeginWork()
	w.EndWork(pipeline.Work{Messages: 20, Bytes: 5000, Transform: 2 * time.Millisecond, Settle: 4 * time.Second})
	return Route{
		Name: "seal-orders", Direction: "encrypt", From: "kafka://h/orders", To: "kafka://h/orders.enc",
		Phase: Running, Since: time.Unix(1_800_000_000, 0), Memory: 64 << 20, Watch: w,
	}
}

// serve starts a server of these routes.
func serve(t *testing.T, o Options, routes func() []Route) *Server {
	t.Helper()
	s, err := Start(t.Context(), o, Source{Version: "1.2.3", Routes: routes, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func one(r Route) func() []Route { return func() []Route { return []Route{r} } }

// answer is the part of an answer that tests look at.
type answer struct {
	StatusCode int
	Status     string
	Header     http.Header
	TLS        *tls.ConnectionState
}

// ask sends a request that change may alter, and returns the answer.
func ask(t *testing.T, client *http.Client, url string, change func(*http.Request)) (answer, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Status, res.Header, res.TLS}, string(body)
}

func get(t *testing.T, s *Server, path string) (answer, string) {
	t.Helper()
	return ask(t, http.DefaultClient, "http://"+s.Address()+path, nil)
}

func TestMetrics(t *testing.T) {
	s := serve(t, Options{Address: "127.0.0.1:0"}, one(busyRoute()))
	res, text := get(t, s, "/metrics")
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", res.Status, text)
	}
	for _, line := range []string{
		`streamcrypt_build_info{version="1.2.3"} 1`,
		`streamcrypt_route_info{direction="encrypt",from="kafka://h/orders",route="seal-orders",to="kafka://h/orders.enc"} 1`,
		`streamcrypt_route_phase{phase="running",route="seal-orders"} 1`,
		`streamcrypt_route_phase{phase="opening",route="seal-orders"} 0`,
		`streamcrypt_route_ready{route="seal-orders"} 1`,
		`streamcrypt_memory_bound_bytes{route="seal-orders"} 6.7108864e+07`,
		`streamcrypt_messages_read_total{place="orders/0",route="seal-orders"} 7`,
		`streamcrypt_messages_written_total{place="orders/1",route="seal-orders"} 3`,
		`streamcrypt_messages_skipped_total{place="orders/0",route="seal-orders"} 1`,
		`streamcrypt_messages_rejected_total{place="orders/0",reason="tampered",route="seal-orders"} 1`,
		`streamcrypt_position{place="orders/0",route="seal-orders"} 12`,
		`streamcrypt_lag_messages{place="orders/1",route="seal-orders"} 4`,
		`streamcrypt_findings_total{kind="gap",route="seal-orders"} 2`,
		`streamcrypt_stored_bytes_total{direction="read",route="seal-orders"} 1000`,
		`streamcrypt_transactions_total{outcome="committed",route="seal-orders"} 1`,
		`streamcrypt_transactions_open_seconds_total{route="seal-orders"} 1.5`,
		`streamcrypt_key_events_total{context="orders",event="window-opened",route="seal-orders",side="sealing"} 2`,
		`streamcrypt_key_state{context="orders",route="seal-orders",side="sealing",state="normal"} 1`,
		`streamcrypt_key_calls_total{key="local:abc",operation="generate",outcome="ok",route="seal-orders",side="sealing"} 1`,
		`streamcrypt_key_call_seconds_total{key="local:abc",operation="generate",outcome="ok",route="seal-orders",side="sealing"} 2`,
		`streamcrypt_breaker_state{key="local:abc",route="seal-orders",state="closed"} 1`,
		`streamcrypt_key_events_total{context="orders",event="unwrap-refused",route="seal-orders",side="opening"} 0`,
		`streamcrypt_key_lifetime_seconds_bucket{context="orders",route="seal-orders",side="sealing",le="10"} 0`,
		`streamcrypt_key_lifetime_seconds_bucket{context="orders",route="seal-orders",side="sealing",le="60"} 1`,
		`streamcrypt_key_uses_messages_sum{context="orders",route="seal-orders",side="sealing"} 50`,
		`streamcrypt_key_call_duration_seconds_bucket{operation="generate",outcome="ok",route="seal-orders",side="sealing",le="2"} 1`,
		`streamcrypt_workers{route="seal-orders"} 3`,
		`streamcrypt_workers_busy{route="seal-orders"} 1`,
		`streamcrypt_batch_messages_bucket{route="seal-orders",le="16"} 0`,
		`streamcrypt_batch_messages_bucket{route="seal-orders",le="64"} 1`,
		`streamcrypt_batch_size_bytes_sum{route="seal-orders"} 5000`,
		`streamcrypt_batch_transform_seconds_count{route="seal-orders",work="seal"} 1`,
		`streamcrypt_batch_settle_seconds_sum{route="seal-orders"} 4`,
		`streamcrypt_growth_ratio{route="seal-orders"} 1.2857142857142858`,
		`streamcrypt_connections_away_seconds{route="seal-orders"} 0`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
	if strings.Contains(text, `lag_messages{place="orders/0"`) {
		t.Error("a lag that nobody has told is shown")
	}
	if strings.Contains(text, "\nstreamcrypt_memory_used_bytes 0\n") || !strings.Contains(text, "\nstreamcrypt_memory_used_bytes ") {
		t.Error("the process uses no memory")
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if t.Failed() {
		t.Log(text)
	}
}

// TestMetricsOfNewRoute: a route that has read nothing has not grown.
func TestMetricsOfNewRoute(t *testing.T) {
	r := busyRoute()
	r.Watch = new(watch.Route)
	s := serve(t, Options{Address: "127.0.0.1:0"}, one(r))
	if _, text := get(t, s, "/metrics"); strings.Contains(text, "growth") || !strings.Contains(text, "streamcrypt_batches_total{") {
		t.Error(text)
	}
}

// TestStrangeNames: a topic's name is no more than text wherever it is shown.
func TestStrangeNames(t *testing.T) {
	const name = "a\xffb\"\n</script>"
	r := busyRoute()
	r.Watch.ObserveBatch([]pipeline.PlaceCounts{{Place: name, Read: 1}})
	s := serve(t, Options{Address: "127.0.0.1:0"}, one(r))
	if _, text := get(t, s, "/metrics"); !strings.Contains(text, `place="a`+"\uFFFD"+`b\"\n</script>"`) {
		t.Errorf("the name is not escaped:\n%s", text)
	}
	if _, text := get(t, s, "/status.json"); strings.Contains(text, "</script>") || !json.Valid([]byte(text)) {
		t.Errorf("the name is not escaped:\n%s", text)
	}
}

func TestReady(t *testing.T) {
	tests := map[string]struct {
		change func(*Route)
		ready  bool
		says   string
	}{
		"running": {func(*Route) {}, true, ""},
		"opening": {func(r *Route) { r.Phase, r.Watch = Opening, nil }, false, "the route is opening"},
		"ended":   {func(r *Route) { r.Phase = Ended }, false, "the route is ended"},
		"raw":     {func(r *Route) { r.Watch = nil }, true, ""},
		"parked": {func(r *Route) { r.Watch.ObservePlace("orders/0", 9, errors.New("tampered")) }, false,
			"1 places are parked"},
		"stuck": {func(r *Route) { r.Watch.ObserveStuck("orders/0", errors.New("a transaction")) }, false,
			"orders/0 is stuck"},
		"restricted": {func(r *Route) {
			r.Watch.KeyState(kekcache.StateChange{Side: kekcache.Sealing, Context: "orders", State: kekcache.Restricted})
		}, false, `keys for sealing of "orders" are restricted`},
		"degraded": {func(r *Route) {
			r.Watch.KeyState(kekcache.StateChange{Side: kekcache.Sealing, Context: "orders", State: kekcache.Degraded})
		}, true, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := busyRoute()
			tc.change(&r)
			s := serve(t, Options{Address: "127.0.0.1:0"}, one(r))
			code, word := http.StatusOK, "ready\n"
			if !tc.ready {
				code, word = http.StatusServiceUnavailable, "not ready\n"
			}
			if res, body := get(t, s, "/readyz"); res.StatusCode != code || body != word {
				t.Errorf("%s: %q", res.Status, body)
			}
			if res, body := get(t, s, "/healthz"); res.StatusCode != http.StatusOK || body != "ok\n" {
				t.Errorf("%s: %q", res.Status, body)
			}
			var shown status
			if _, body := get(t, s, "/status.json"); json.Unmarshal([]byte(body), &shown) != nil || len(shown.Routes) != 1 {
				t.Fatal(body)
			}
			if against := strings.Join(shown.Routes[0].Against, "; "); !strings.Contains(against, tc.says) || (against == "") != tc.ready {
				t.Errorf("%q, want %q", against, tc.says)
			}
		})
	}
}

func TestPage(t *testing.T) {
	s := serve(t, Options{Address: "127.0.0.1:0"}, one(busyRoute()))
	res, body := get(t, s, "/")
	if res.StatusCode != http.StatusOK || body != page {
		t.Fatalf("%s, %d bytes", res.Status, len(body))
	}
	policy := res.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") {
		t.Errorf("%q", policy)
	}
	if strings.Count(page, "<script") != 1 || strings.Count(page, "<style") != 1 || strings.Contains(page, "innerHTML") {
		t.Error("the page has code that its policy does not cover, or makes elements of text")
	}
	if res, _ := get(t, s, "/nowhere"); res.StatusCode != http.StatusNotFound {
		t.Errorf("nowhere: %s", res.Status)
	}
	if res, _ := get(t, s, "/debug/pprof/"); res.StatusCode != http.StatusNotFound {
		t.Errorf("profiles that nobody asked for: %s", res.Status)
	}
	s = serve(t, Options{Address: "localhost:0", Profiles: true}, one(busyRoute()))
	if res, _ := get(t, s, "/debug/pprof/"); res.StatusCode != http.StatusOK {
		t.Errorf("profiles: %s", res.Status)
	}
	if res, _ := get(t, s, "/debug/pprof/cmdline"); res.StatusCode != http.StatusNotFound {
		t.Errorf("the command line, with secrets of URLs: %s", res.Status)
	}
}

// TestManyReasons: places that need somebody stand in front, and a route that
// has lost all of its places says no more of it than people read.
func TestManyReasons(t *testing.T) {
	r := busyRoute()
	r.Watch.ObservePlace("orders/1", 9, errors.New("tampered"))
	for i := range 2 * maxReasons {
		r.Watch.ObserveStuck(fmt.Sprintf("orders/%d", i), errors.New("a transaction"))
	}
	s := serve(t, Options{Address: "127.0.0.1:0"}, one(r))
	var shown status
	if _, body := get(t, s, "/status.json"); json.Unmarshal([]byte(body), &shown) != nil || len(shown.Routes) != 1 {
		t.Fatal(body)
	}
	if n := len(shown.Routes[0].Against); n != maxReasons {
		t.Errorf("%d reasons", n)
	}
	if places := shown.Routes[0].Places; len(places) != 2 || places[0].Name != "orders/1" {
		t.Errorf("%+v", places)
	}
}

// TestManyRequests: so many requests are answered at a time. Others are turned
// away, but for the words that load balancers ask for.
func TestManyRequests(t *testing.T) {
	asked, goOn := make(chan struct{}), make(chan struct{})
	var calls atomic.Int64
	s := serve(t, Options{Address: "127.0.0.1:0"}, func() []Route {
		if calls.Add(1) <= maxRequests {
			asked <- struct{}{}
			<-goOn
		}
		return nil
	})
	var all sync.WaitGroup
	for range maxRequests {
		all.Go(func() {
			res, err := http.Get("http://" + s.Address() + "/metrics")
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Error(res.Status)
			}
		})
	}
	for range maxRequests {
		<-asked
	}
	if res, _ := get(t, s, "/status.json"); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("one more: %s", res.Status)
	}
	if res, _ := get(t, s, "/healthz"); res.StatusCode != http.StatusOK {
		t.Errorf("healthz: %s", res.Status)
	}
	close(goOn)
	all.Wait()
	if res, _ := get(t, s, "/status.json"); res.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %s", res.Status)
	}
}

// TestForeignHost: a stranger's page in a browser on this machine gets nothing.
func TestForeignHost(t *testing.T) {
	s := serve(t, Options{Address: "127.0.0.1:0"}, one(busyRoute()))
	for host, want := range map[string]int{
		"evil.example": http.StatusMisdirectedRequest, "evil.example:80": http.StatusMisdirectedRequest,
		"127.0.0.1.evil.example": http.StatusMisdirectedRequest, "10.0.0.1": http.StatusMisdirectedRequest,
		"localhost:9464": http.StatusOK, "127.0.0.1": http.StatusOK, "[::1]:1": http.StatusOK,
	} {
		res, _ := ask(t, http.DefaultClient, "http://"+s.Address()+"/metrics", func(r *http.Request) { r.Host = host })
		if res.StatusCode != want {
			t.Errorf("%s: %s", host, res.Status)
		}
	}
}

func TestToken(t *testing.T) {
	const token = "0123456789abcdef"
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(token + "\n")
	s := serve(t, Options{Address: "127.0.0.1:0", TokenFile: file}, one(busyRoute()))
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	basic := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth("anybody", token) }
	}
	check := func(path string, change func(*http.Request), want int) {
		t.Helper()
		res, _ := ask(t, http.DefaultClient, "http://"+s.Address()+path, change)
		if res.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, res.Status, want)
		}
	}
	for _, path := range []string{"/metrics", "/", "/status.json", "/nowhere"} {
		check(path, nil, http.StatusUnauthorized)
		check(path, bearer("0123456789abcdeX"), http.StatusUnauthorized)
		check(path, basic(""), http.StatusUnauthorized)
	}
	check("/metrics", bearer(token), http.StatusOK)
	check("/", basic(token), http.StatusOK)
	check("/healthz", nil, http.StatusOK)
	check("/readyz", nil, http.StatusOK)
	write("fedcba9876543210") // it is read anew
	check("/metrics", bearer(token), http.StatusUnauthorized)
	check("/metrics", bearer("fedcba9876543210"), http.StatusOK)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	check("/metrics", bearer("fedcba9876543210"), http.StatusInternalServerError)
	check("/metrics", nil, http.StatusInternalServerError)
}

// makeCertificate writes a certificate for 127.0.0.1.
func makeCertificate(t *testing.T, dir, name string) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(parsed)
	return cert, key, roots
}

// TestCertificate: a certificate that was renewed is used by the next
// connection.
func TestCertificate(t *testing.T) {
	dir := t.TempDir()
	cert, key, roots := makeCertificate(t, dir, "first")
	s := serve(t, Options{Address: "127.0.0.1:0", Certificate: cert, Key: key}, one(busyRoute()))
	serverOf := func(roots *x509.CertPool) string {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
		defer client.CloseIdleConnections()
		res, _ := ask(t, client, "https://"+s.Address()+"/metrics", nil)
		return res.TLS.PeerCertificates[0].Subject.CommonName
	}
	if name := serverOf(roots); name != "first" {
		t.Error(name)
	}
	_, _, roots = makeCertificate(t, dir, "second")
	if name := serverOf(roots); name != "second" {
		t.Error(name)
	}
}

func TestOptions(t *testing.T) {
	dir := t.TempDir()
	cert, key, _ := makeCertificate(t, dir, "name")
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("token", "0123456789abcdef\n", 0o600)
	for name, tc := range map[string]struct {
		o    Options
		says string // "" for options that are good
	}{
		"loopback":          {Options{Address: "127.0.0.1:1"}, ""},
		"loopback, v6":      {Options{Address: "[::1]:1"}, ""},
		"no host":           {Options{Address: ":1"}, ""},
		"open":              {Options{Address: "0.0.0.0:1", Certificate: cert, Key: key, TokenFile: good}, ""},
		"no address":        {Options{Profiles: true}, "no address to listen on"},
		"no port":           {Options{Address: "127.0.0.1"}, "is no address"},
		"open, no TLS":      {Options{Address: "0.0.0.0:1", TokenFile: good}, "has no TLS"},
		"open, no token":    {Options{Address: "[::]:1", Certificate: cert, Key: key}, "asks for no token"},
		"a name":            {Options{Address: "host.example:1"}, "has no TLS"},
		"half a pair":       {Options{Address: "127.0.0.1:1", Certificate: cert}, "belong together"},
		"no pair":           {Options{Address: "127.0.0.1:1", Certificate: cert, Key: good}, "certificate: "},
		"token for all":     {Options{Address: "127.0.0.1:1", TokenFile: file("wide", "0123456789abcdef", 0o644)}, "can be read by others"},
		"short token":       {Options{Address: "127.0.0.1:1", TokenFile: file("short", "0123", 0o600)}, "not one line of at least 16 bytes"},
		"two lines":         {Options{Address: "127.0.0.1:1", TokenFile: file("two", "0123456789abcdef\nmore", 0o600)}, "not one line"},
		"token not there":   {Options{Address: "127.0.0.1:1", TokenFile: filepath.Join(dir, "none")}, "no such file"},
		"certificate is no": {Options{Address: "127.0.0.1:1", Certificate: good, Key: key}, "certificate: "},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.o.Check(slog.New(slog.DiscardHandler))
			switch {
			case tc.says == "" && err != nil:
				t.Error(err)
			case tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)):
				t.Errorf("%v, want %q", err, tc.says)
			case err != nil && strings.Contains(err.Error(), "0123"):
				t.Error("the token is shown")
			}
		})
	}
}

// TestWideKey: a key of the certificate that others can read is warned of, once
// for all connections.
func TestWideKey(t *testing.T) {
	cert, key, roots := makeCertificate(t, t.TempDir(), "name")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	s, err := Start(t.Context(), Options{Address: "127.0.0.1:0", Certificate: cert, Key: key},
		Source{Routes: one(busyRoute()), Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	if res, _ := ask(t, client, "https://"+s.Address()+"/healthz", nil); res.StatusCode != http.StatusOK {
		t.Error(res.Status)
	}
	client.CloseIdleConnections()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "can be read by others than its owner"); n != 1 {
		t.Errorf("%d warnings in\n%s", n, &log)
	}
}

func TestAddressInUse(t *testing.T) {
	s := serve(t, Options{Address: "127.0.0.1:0"}, one(busyRoute()))
	_, err := Start(t.Context(), Options{Address: s.Address()}, Source{Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Error(err)
	}
}
