package alarm

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
)

var sample = Alarm{
	Kind: Breaker, Route: "decrypt orders", Raised: true, Since: time.Unix(1_800_000_000, 0),
	Subject: "orders/3", Count: 2, Text: "the decrypt breaker is open",
}

func writeSecret(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWebhook(t *testing.T) {
	var mu sync.Mutex
	var body, token string
	code := http.StatusNoContent
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		b, _ := io.ReadAll(r.Body)
		body, token = string(b), r.Header.Get("Authorization")
		w.Header().Set("Location", "/elsewhere") // where no alarm goes
		w.WriteHeader(code)
	}))
	defer server.Close()
	c := Config{Webhook: server.URL + "/hook?key=hidden", WebhookToken: writeSecret(t, "abc\n", 0o600), Instance: "me/1"}
	all, err := c.OpenSenders(slog.New(slog.DiscardHandler))
	if err != nil || len(all) != 1 || strings.Contains(all[0].Name(), "hidden") {
		t.Fatal(all, err)
	}
	if err := all[0].Send(t.Context(), sample); err != nil {
		t.Error(err)
	}
	var got map[string]any
	if json.Unmarshal([]byte(body), &got) != nil || got["kind"] != "breaker" || got["state"] != "raised" || got["version"] != 1.0 ||
		got["route"] != "decrypt orders" || got["instance"] != "me/1" || got["subject"] != "orders/3" || got["count"] != 2.0 ||
		got["since"] != "2027-01-15T08:00:00Z" || token != "Bearer abc" {
		t.Errorf("%s, %s", body, token)
	}
	for _, test := range []struct {
		code  int
		final bool
	}{{500, false}, {503, false}, {429, false}, {408, false}, {404, true}, {401, true}, {302, true}} {
		code = test.code
		if err := all[0].Send(t.Context(), sample); err == nil || errors.Is(err, errFinal) != test.final {
			t.Errorf("%d: %v", test.code, err)
		}
	}
	server.Close()
	if err := all[0].Send(t.Context(), sample); err == nil || errors.Is(err, errFinal) || strings.Contains(err.Error(), "hidden") {
		t.Errorf("away: %v", err)
	}
}

const goodSNMP = "address: 127.0.0.1:%PORT\nuser: streamcrypt\nauth-key: authpass1\nprivacy: AES-128\nprivacy-key: privpass1\n"

// TestInform sends INFORMs to a listener of the library that sends them too:
// snmptrapd has a test of its own.
func TestInform(t *testing.T) {
	usm := &gosnmp.UsmSecurityParameters{
		UserName: "streamcrypt", AuthoritativeEngineID: "\x80\x00\x1f\x88\x04listener",
		AuthenticationProtocol: gosnmp.SHA256, AuthenticationPassphrase: "authpass1",
		PrivacyProtocol: gosnmp.AES, PrivacyPassphrase: "privpass1",
	}
	listener := gosnmp.NewTrapListener()
	listener.Params = &gosnmp.GoSNMP{
		Version: gosnmp.Version3, SecurityModel: gosnmp.UserSecurityModel, MsgFlags: gosnmp.AuthPriv, SecurityParameters: usm,
	}
	came := make(chan map[string]any, 10)
	listener.OnNewTrap = func(p *gosnmp.SnmpPacket, _ *net.UDPAddr) { came <- readVariables(p) }
	port := freeUDP(t)
	ended := make(chan error, 1)
	go func() { ended <- listener.Listen("127.0.0.1:" + port) }()
	select {
	case <-listener.Listening():
	case err := <-ended:
		t.Fatal(err)
	}
	defer listener.Close()
	path := writeSecret(t, strings.ReplaceAll(goodSNMP, "%PORT", port), 0o600)
	all, err := (&Config{SNMP: path, Instance: "me/1"}).OpenSenders(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := all[0].Send(t.Context(), sample); err != nil {
		t.Fatal(err)
	}
	got := <-came
	if got["version"] != gosnmp.Version3 || got["1.3.6.1.6.3.1.1.4.1.0"] != "."+DefaultOID+".0.1" ||
		got[DefaultOID+".1.1.0"] != "decrypt orders" || got[DefaultOID+".1.2.0"] != "me/1" || got[DefaultOID+".1.3.0"] != 1 ||
		got[DefaultOID+".1.4.0"] != "orders/3" || got[DefaultOID+".1.6.0"] != sample.Text {
		t.Errorf("%v", got)
	}
}

// TestClipText: a text of the MIB has 255 bytes at most.
func TestClipText(t *testing.T) {
	for n, want := range map[int]int{0: 0, 255: 255, 256: 255, 4096: 255} {
		got := clipText(strings.Repeat("x", n))
		if len(got) != want || strings.HasSuffix(got, "...") != (n > want) {
			t.Errorf("%d bytes become %d: %q", n, len(got), got)
		}
	}
}

// readVariables returns the variables of a notification, by OID.
func readVariables(p *gosnmp.SnmpPacket) map[string]any {
	got := map[string]any{"version": p.Version}
	for _, v := range p.Variables {
		value := v.Value
		if b, ok := value.([]byte); ok {
			value = string(b)
		}
		got[strings.TrimPrefix(v.Name, ".")] = value
	}
	return got
}

// TestInformAway: nobody confirms, which is no success.
func TestInformAway(t *testing.T) {
	path := writeSecret(t, strings.ReplaceAll(goodSNMP, "%PORT", freeUDP(t)), 0o600)
	s, err := readSNMP(path, "me")
	if err != nil {
		t.Fatal(err)
	}
	s.timeout, s.retries = 10*time.Millisecond, 0
	if err := s.Send(t.Context(), sample); err == nil || errors.Is(err, errFinal) {
		t.Errorf("got %v", err)
	}
}

// freeUDP returns a port of this machine that nobody listens on, below those
// that are given to clients.
func freeUDP(t *testing.T) string {
	t.Helper()
	for port := 21620; port < 21720; port++ {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err == nil {
			text := c.LocalAddr().String()
			_ = c.Close()
			return text[strings.LastIndexByte(text, ':')+1:]
		}
	}
	t.Fatal("no port is free")
	return ""
}

// TestConfig: mistakes are told without a secret.
func TestConfig(t *testing.T) {
	file := func(old, changed string) Config {
		return Config{SNMP: writeSecret(t, strings.Replace(strings.ReplaceAll(goodSNMP, "%PORT", "162"), old, changed, 1), 0o600)}
	}
	open := Config{SNMP: writeSecret(t, goodSNMP, 0o644)}
	if err := os.Chmod(open.SNMP, 0o644); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]Config{
		"a token and no URL":        {WebhookToken: "x"},
		"not a URL of http":         {Webhook: "ftp://hidden/x"},
		"is another machine":        {Webhook: "http://example.com/x"},
		"the URL has a password":    {Webhook: "https://a:hidden@example.com/"},
		"others than its owner":     open,
		"not a file of address":     file("user:", "hidden: x\nuser:"),
		"user: missing":             file("user: streamcrypt", "user: ''"),
		"auth: not SHA-256":         file("user:", "auth: MD5\nuser:"),
		"privacy: not AES":          file("privacy: AES-128", "privacy: DES"),
		"auth-key: fewer than 8":    file("authpass1", "hidden"),
		"privacy-key: fewer than 8": file("privpass1", "hidden"),
		"address: not HOST":         file("127.0.0.1:162", "127.0.0.1:x"),
		"oid: not of the form":      file("user:", "oid: a.b\nuser:"),
		"no such file or directory": {SNMP: filepath.Join(t.TempDir(), "x")},
		"alarm webhook token: open": {Webhook: "https://example.com", WebhookToken: filepath.Join(t.TempDir(), "y")},
	} {
		_, err := c.OpenSenders(slog.New(slog.DiscardHandler))
		if err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", want, err)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
