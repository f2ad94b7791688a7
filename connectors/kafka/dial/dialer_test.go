package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func password(t testing.TB, name, text string) sasl.Mechanism {
	t.Helper()
	m, err := NewPassword(name, "joe", func() (string, error) { return text, nil })
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestRefusals: each mistake that only a person can mend is told by its cause,
// and no secret stands in the error.
func TestRefusals(t *testing.T) {
	token := func(text string, err error) sasl.Mechanism {
		m, _ := NewToken(func(context.Context) (string, error) { return text, err }, nil)
		return m
	}
	rejects := func(round int, said []byte) *kmsg.SASLAuthenticateResponse { return refuse("invalid credentials") }
	challenges := func(round int, said []byte) *kmsg.SASLAuthenticateResponse {
		if round == 0 {
			res := kmsg.NewPtrSASLAuthenticateResponse()
			res.SASLAuthBytes = []byte(`{"status":"invalid_token"}`)
			return res
		}
		if string(said) != "\x01" {
			t.Errorf("the reply to a challenge is %q", said)
		}
		return refuse(`{"status":"invalid_token"}`)
	}
	plain := &broker{mechanisms: []string{"PLAIN"}, check: rejects}
	for name, tc := range map[string]struct {
		broker *broker
		sasl   sasl.Mechanism
		cause  error
		says   string
	}{
		"password":           {plain, password(t, "plain", "topsecret"), ErrCredentials, "invalid credentials"},
		"mechanism":          {plain, password(t, "scram-sha-512", "topsecret"), ErrMechanism, "PLAIN"},
		"port without users": {&broker{}, password(t, "plain", "topsecret"), ErrNoSASL, ""},
		"token":              {&broker{mechanisms: []string{"OAUTHBEARER"}, check: challenges}, token("topsecret", nil), ErrCredentials, "invalid_token"},
		"no token":           {&broker{mechanisms: []string{"OAUTHBEARER"}, check: rejects}, token("", nil), ErrUnreadable, ""},
		"bad token":          {&broker{mechanisms: []string{"OAUTHBEARER"}, check: rejects}, token("topsecret\x01", nil), ErrUnreadable, ""},
		"token file":         {&broker{mechanisms: []string{"OAUTHBEARER"}, check: rejects}, token("", errors.New("open x: no such file")), ErrUnreadable, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(Options{SASL: tc.sasl, Dial: tc.broker.dial}).DialContext(t.Context(), "tcp", "b1:9092")
			refused, ok := errors.AsType[*RefusedError](err)
			if !ok || !errors.Is(err, tc.cause) || refused.Address != "b1:9092" {
				t.Fatalf("got %v", err)
			}
			if text := err.Error(); !strings.Contains(text, tc.says) || strings.Contains(text, "topsecret") {
				t.Errorf("it says %q", text)
			}
		})
	}
}

// TestAway: a token service that is away is no refusal.
func TestAway(t *testing.T) {
	b := &broker{mechanisms: []string{"OAUTHBEARER"}, check: accept(0)}
	away := &AwayError{errors.New("timeout")}
	m, _ := NewToken(func(context.Context) (string, error) { return "", away }, nil)
	_, err := New(Options{SASL: m, Dial: b.dial}).DialContext(t.Context(), "tcp", "b1:9092")
	if _, refused := errors.AsType[*RefusedError](err); refused || !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
}

// TestTLS tells apart certificates, ports and the network.
func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(nil) // for its certificate
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	trust := func(roots *x509.CertPool, name string) func() (*tls.Config, error) {
		return func() (*tls.Config, error) {
			return &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}, nil
		}
	}
	start := func(opts ...kfake.Opt) string {
		k, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(k.Close)
		return k.ListenAddrs()[0]
	}
	secured := start(kfake.TLS(&tls.Config{Certificates: server.TLS.Certificates, MinVersion: tls.VersionTLS12}))
	wantsOurs := start(kfake.TLS(&tls.Config{
		Certificates: server.TLS.Certificates, MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots,
	}))
	text := httptest.NewServer(nil) // answers a TLS hello in plaintext
	defer text.Close()
	unreadable := func() (*tls.Config, error) { return nil, errors.New("open ca.pem: no such file") }
	for name, tc := range map[string]struct {
		address string
		tls     func() (*tls.Config, error)
		want    error // nil: it succeeds
	}{
		"good":               {secured, trust(roots, "example.com"), nil},
		"unknown authority":  {secured, trust(x509.NewCertPool(), "example.com"), ErrCertificate},
		"another name":       {secured, trust(roots, "example.org"), ErrCertificate},
		"no certificate":     {wantsOurs, trust(roots, "example.com"), ErrCertificate},
		"unreadable":         {secured, unreadable, ErrUnreadable},
		"plaintext port":     {strings.TrimPrefix(text.URL, "http://"), trust(roots, "example.com"), ErrNoTLS},
		"plaintext to TLS":   {secured, nil, ErrHungUp},
		"plaintext to alert": {"alert", nil, ErrNeedsTLS},
		"port that closes":   {"close", trust(roots, "example.com"), ErrHungUp},
	} {
		t.Run(name, func(t *testing.T) {
			network := func(ctx context.Context, network, address string) (net.Conn, error) {
				if strings.Contains(address, ":") {
					return (&net.Dialer{}).DialContext(ctx, network, address)
				}
				client, server := net.Pipe()
				go func() {
					defer server.Close()
					_, _ = io.ReadAtLeast(server, make([]byte, 4096), 1)
					if address == "alert" { // as a Java broker answers: handshake_failure
						_, _ = server.Write([]byte{0x15, 3, 3, 0, 2, 2, 40})
					}
				}()
				return client, nil
			}
			c, err := New(Options{TLS: tc.tls, Dial: network}).DialContext(t.Context(), "tcp", tc.address)
			if tc.want != nil {
				if !errors.Is(err, tc.want) {
					t.Errorf("got %v, want %v", err, tc.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if peer := PeerOf(c); peer == nil {
				t.Error("the connection does not tell of the broker")
			} else if _, most, ok := peer.Versions(1); !ok || most < 11 {
				t.Errorf("Fetch up to %d, %t", most, ok)
			}
		})
	}
}

// TestNetworkErrors are no refusals.
func TestNetworkErrors(t *testing.T) {
	gone := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	}
	d := New(Options{Dial: gone})
	for range 3 {
		_, err := d.DialContext(t.Context(), "tcp", "b1:9092")
		if _, refused := errors.AsType[*RefusedError](err); refused || errors.Is(err, ErrHungUp) || err == nil {
			t.Errorf("got %v", err)
		}
	}
}

// TestDialEnds: a broker that says nothing holds nobody beyond the context.
func TestDialEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer server.Close()
		go func() { _, _ = io.Copy(io.Discard, server) }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		before := time.Now()
		d := New(Options{Dial: func(context.Context, string, string) (net.Conn, error) { return client, nil }})
		if _, err := d.DialContext(ctx, "tcp", "b1:9092"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if passed := time.Since(before); passed != time.Minute {
			t.Errorf("it took %v", passed)
		}
	})
}

// TestPauses: a broker that refuses is not asked again at once, and is asked
// soon after it has accepted.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := false
		b := &broker{mechanisms: []string{"PLAIN"}, check: func(int, []byte) *kmsg.SASLAuthenticateResponse {
			if good {
				return kmsg.NewPtrSASLAuthenticateResponse()
			}
			return refuse("no")
		}}
		d := New(Options{SASL: password(t, "plain", "x"), Dial: b.dial})
		var asked []time.Duration
		start := time.Now()
		for n := 0; time.Since(start) < time.Minute; time.Sleep(100 * time.Millisecond) {
			if _, err := d.DialContext(t.Context(), "tcp", "b1:9092"); !errors.Is(err, ErrCredentials) {
				t.Fatal(err)
			}
			if b.dials > n {
				n, asked = b.dials, append(asked, time.Since(start).Round(time.Second))
			}
		}
		want := []time.Duration{0, time.Second, 2e9, 4e9, 8e9, 16e9, 31e9, 46e9} // the second after half of one, rounded
		if !slices.Equal(asked, want) {
			t.Errorf("asked at %v", asked)
		}
		good = true
		time.Sleep(lastPause)
		c, err := d.DialContext(t.Context(), "tcp", "b1:9092")
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		if len(d.refusals) != 0 {
			t.Error("the refusal was kept")
		}
		b.running.Wait()
	})
}

// TestFeatures: a connection knows the finalized features of its broker.
func TestFeatures(t *testing.T) {
	b := &broker{features: map[string]int16{"transaction.version": 2}}
	c, err := New(Options{Dial: b.dial}).DialContext(t.Context(), "tcp", "b1:9092")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if p := PeerOf(c); p.Feature("transaction.version") != 2 || p.Feature("other") != 0 {
		t.Errorf("%+v", p.features)
	}
	if PeerOf(&net.TCPConn{}) != nil || PeerOf(3) != nil {
		t.Error("a foreign connection has a peer")
	}
}

// TestOldVersions: a broker that does not know the question in version 3 is
// asked in version 0.
func TestOldVersions(t *testing.T) {
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		for range 2 {
			message, err := readMessage(server)
			if err != nil {
				return
			}
			res := kmsg.NewPtrApiVersionsResponse()
			res.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: 1, MaxVersion: 5}}
			if message[3] > 0 {
				res.ErrorCode = errUnsupportedVersion
			}
			_ = write(server, message[4:8], res.AppendTo(nil))
		}
	}()
	d := New(Options{Dial: func(context.Context, string, string) (net.Conn, error) { return client, nil }})
	c, err := d.DialContext(t.Context(), "tcp", "b1:9092")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, most, ok := PeerOf(c).Versions(1); !ok || most != 5 {
		t.Error(most, ok)
	}
}

func ExampleNewToken() {
	m, err := NewToken(func(context.Context) (string, error) { return "abc", nil }, [][2]string{{"logicalCluster", "lkc-1"}})
	if err != nil {
		panic(err)
	}
	_, first, _ := m.Start(context.Background())
	fmt.Printf("%s %q\n", m.Name(), first)
	// Output: OAUTHBEARER "n,,\x01auth=Bearer abc\x01logicalCluster=lkc-1\x01\x01"
}

func TestTokenExtensions(t *testing.T) {
	for _, bad := range [][2]string{{"", "x"}, {"auth", "x"}, {"a=b", "x"}, {"a1", "x"}, {"name", "a\x01b"}} {
		if _, err := NewToken(nil, [][2]string{bad}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// TestMember: a connection is given to the caller if the broker says that it
// belongs to the cluster, and if it says so in time.
func TestMember(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ClusterID("ours"))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	address := k.ListenAddrs()[0]
	d := New(Options{})
	for id, want := range map[string]error{"ours": nil, "": nil, "other": ErrOtherCluster} {
		c, err := d.DialMember(t.Context(), "tcp", address, id)
		if !errors.Is(err, want) || (c == nil) != (want != nil) {
			t.Errorf("cluster %q: %v", id, err)
		}
		if c != nil {
			c.Close()
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	k.ControlKey(kmsg.Metadata.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		cancel()
		return nil, nil, true // no answer
	})
	if _, err := d.DialMember(ctx, "tcp", address, "ours"); !errors.Is(err, context.Canceled) {
		t.Errorf("a broker that does not answer: %v", err)
	}
	echo := &broker{}
	if _, err := New(Options{Dial: echo.dial}).DialMember(t.Context(), "tcp", "b1:9092", "ours"); !errors.Is(err, ErrMalformed) {
		t.Errorf("an answer that is none: %v", err)
	}
}
