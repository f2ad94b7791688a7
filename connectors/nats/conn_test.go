package nats

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// reaches tells whether o lets us see streams.
func reaches(t *testing.T, o ConnOptions) error {
	t.Helper()
	o.Log = quiet
	c, err := Connect(t.Context(), o)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.js.AccountInfo(t.Context())
	return err
}

func wantReached(t *testing.T, o ConnOptions) {
	t.Helper()
	if err := reaches(t, o); err != nil {
		t.Fatal(err)
	}
}

func wantRefused(t *testing.T, o ConnOptions) {
	t.Helper()
	if reaches(t, o) == nil {
		t.Fatal("let in")
	}
}

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newKey(t *testing.T, create func() (nkeys.KeyPair, error)) (pair nkeys.KeyPair, public string, seed []byte) {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	if seed, err = pair.Seed(); err != nil {
		t.Fatal(err)
	}
	return pair, public, seed
}

func TestPassword(t *testing.T) {
	t.Parallel()
	b := startBroker(t, func(o *server.Options) { o.Username, o.Password = "ann", "pass word" })
	wantReached(t, ConnOptions{URL: b.url(), User: "ann", PasswordFile: write(t, "p", []byte("pass word\n"))})
	wantRefused(t, ConnOptions{URL: b.url(), User: "ann", PasswordFile: write(t, "p", []byte("other\n"))})
	wantRefused(t, ConnOptions{URL: b.url()})
}

func TestNKey(t *testing.T) {
	t.Parallel()
	_, public, seed := newKey(t, nkeys.CreateUser)
	b := startBroker(t, func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} })
	wantReached(t, ConnOptions{URL: b.url(), NKey: write(t, "seed", seed)})
	_, _, other := newKey(t, nkeys.CreateUser)
	wantRefused(t, ConnOptions{URL: b.url(), NKey: write(t, "seed", other)})
	err := reaches(t, ConnOptions{URL: b.url(), NKey: write(t, "seed", []byte("SUSECRET"))})
	if err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Fatalf("got %v", err)
	}
}

func TestCreds(t *testing.T) {
	t.Parallel()
	operator, operatorPublic, _ := newKey(t, nkeys.CreateOperator)
	system, systemPublic, _ := newKey(t, nkeys.CreateAccount)
	account, accountPublic, _ := newKey(t, nkeys.CreateAccount)
	resolver := &server.MemAccResolver{}
	for public, disk := range map[string]int64{systemPublic: 0, accountPublic: 1 << 20} {
		claims := jwt.NewAccountClaims(public)
		claims.Limits.DiskStorage = disk
		text, err := claims.Encode(operator)
		if err != nil {
			t.Fatal(err)
		}
		if err := resolver.Store(public, text); err != nil {
			t.Fatal(err)
		}
	}
	b := startBroker(t, func(o *server.Options) {
		o.TrustedKeys, o.AccountResolver, o.SystemAccount = []string{operatorPublic}, resolver, systemPublic
	})
	creds := func(issuer nkeys.KeyPair) string {
		_, userPublic, seed := newKey(t, nkeys.CreateUser)
		userJWT, err := jwt.NewUserClaims(userPublic).Encode(issuer)
		if err != nil {
			t.Fatal(err)
		}
		text, err := jwt.FormatUserConfig(userJWT, seed)
		if err != nil {
			t.Fatal(err)
		}
		return write(t, "user.creds", text)
	}
	wantReached(t, ConnOptions{URL: b.url(), Creds: creds(account)})
	stranger, _, _ := newKey(t, nkeys.CreateAccount)
	wantRefused(t, ConnOptions{URL: b.url(), Creds: creds(system)}) // let in, but without JetStream
	wantRefused(t, ConnOptions{URL: b.url(), Creds: creds(stranger)})
	if err := reaches(t, ConnOptions{URL: b.url(), Creds: "/nowhere/user.creds"}); err == nil || !strings.Contains(err.Error(), "/nowhere/user.creds") {
		t.Fatalf("got %v", err)
	}
}

// authority issues certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	a.cert, a.key, a.pem = a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// issue makes a certificate for the loopback address, for server and client.
func (a *authority) issue() (certPEM, keyPEM []byte) {
	_, key, certPEM := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return certPEM, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func (a *authority) sign(cert *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	cert.NotBefore, cert.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = cert, key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return signed, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	serverCert, err := tls.X509KeyPair(a.issue())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	b := startBroker(t, func(o *server.Options) {
		o.TLS, o.TLSVerify = true, true
		o.TLSConfig = &tls.Config{
			Certificates: []tls.Certificate{serverCert},
			ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: roots, MinVersion: tls.VersionTLS12,
		}
	})
	certPEM, keyPEM := a.issue()
	ca, cert, key := write(t, "ca.pem", a.pem), write(t, "cert.pem", certPEM), write(t, "key.pem", keyPEM)
	wantReached(t, ConnOptions{URL: b.url(), CA: ca, Cert: cert, Key: key})
	wantReached(t, ConnOptions{URL: strings.Replace(b.url(), "nats:", "tls:", 1), CA: ca, Cert: cert, Key: key})
	wantRefused(t, ConnOptions{URL: b.url(), CA: ca})
	wantRefused(t, ConnOptions{URL: b.url(), Cert: cert, Key: key}) // the system does not trust the server
	other := newAuthority(t)
	wantRefused(t, ConnOptions{URL: b.url(), CA: write(t, "ca.pem", other.pem), Cert: cert, Key: key})

	plain := startBroker(t, nil)
	wantRefused(t, ConnOptions{URL: plain.url(), TLS: true}) // nothing weaker than asked for
}

func TestContext(t *testing.T) {
	b := startBroker(t, func(o *server.Options) { o.Username, o.Password = "ann", "secret" })
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	if err := os.MkdirAll(filepath.Join(dir, "nats", "context"), 0o700); err != nil {
		t.Fatal(err)
	}
	save := func(name string, fields any) {
		t.Helper()
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "nats", "context", name+".json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save("prod", map[string]string{"url": b.url(), "user": "ann", "password": "secret", "description": "x"})
	wantReached(t, ConnOptions{Context: "prod"})
	wantRefused(t, ConnOptions{Context: "prod", User: "bob", PasswordFile: write(t, "p", []byte("secret"))})
	save("elsewhere", map[string]string{"url": "nats://127.0.0.1:1", "user": "ann", "password": "secret"})
	wantReached(t, ConnOptions{Context: "elsewhere", URL: b.url()})
	wantRefused(t, ConnOptions{Context: "elsewhere"})

	save("nsc", map[string]string{"url": b.url(), "nsc": "nsc://a/b/c"})
	save("typed", map[string]int{"url": 1})
	if err := os.WriteFile(filepath.Join(dir, "nats", "context", "broken.json"), []byte(`{"password":"secret`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"nsc": "nsc is not supported", "typed": "wrong type", "broken": "malformed",
		"absent": "no such file", "../prod": "not a name", "..": "not a name",
	} {
		err := reaches(t, ConnOptions{Context: name})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConnOptions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		options ConnOptions
		want    string
	}{
		{"nothing", ConnOptions{}, "no server URL"},
		{"user in URL", ConnOptions{URL: "nats://ann:secret@h"}, "holds a user"},
		{"user in second URL", ConnOptions{URL: "nats://h,nats://ann:secret@h"}, "holds a user"},
		{"malformed", ConnOptions{URL: "nats://ann:secret%zz@h"}, "malformed"},
		{"scheme", ConnOptions{URL: "http://h"}, "begins with"},
		{"no scheme", ConnOptions{URL: "h:4222"}, "begins with"},
		{"no host", ConnOptions{URL: "nats://"}, "no host"},
		{"path", ConnOptions{URL: "nats://h/STREAM"}, "more than a host"},
		{"two identities", ConnOptions{URL: "nats://h", Creds: "a", NKey: "b"}, "both creds and nkey"},
		{"certificate alone", ConnOptions{URL: "nats://h", Cert: "a"}, "both cert and key"},
		{"password alone", ConnOptions{URL: "nats://h", PasswordFile: "a"}, "without a user"},
		{"nobody there", ConnOptions{URL: "nats://127.0.0.1:1"}, "nats://127.0.0.1:1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := reaches(t, test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
				t.Fatalf("got %v", err)
			}
		})
	}
}

// TestLog: what is logged about a connection holds no secret.
func TestLog(t *testing.T) {
	t.Parallel()
	b := startBroker(t, func(o *server.Options) { o.Username, o.Password = "ann", "secret" })
	var log bytes.Buffer
	c, err := Connect(t.Context(), ConnOptions{
		URL: b.url(), User: "ann", PasswordFile: write(t, "p", []byte("secret")),
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.restart()
	eventually(t, "connected again", func() bool { return c.nc.Stats().Reconnects > 0 && c.nc.IsConnected() })
	c.Close()
	if !strings.Contains(log.String(), "nats connection lost") || strings.Contains(log.String(), "secret") {
		t.Fatalf("log: %s", log.String())
	}
}

// TestWideSecrets: a secret that others can read is warned of, whichever kind
// it is.
func TestWideSecrets(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	contexts := filepath.Join(dir, "nats", "context")
	if err := os.MkdirAll(contexts, 0o700); err != nil {
		t.Fatal(err)
	}
	wide := func(path string, content string) string {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := wide(filepath.Join(dir, "secret"), "topsecret")
	wide(filepath.Join(contexts, "known.json"), `{"url":"nats://127.0.0.1:1","user":"u","password":"topsecret"}`)
	wide(filepath.Join(contexts, "open.json"), `{"url":"nats://127.0.0.1:1"}`)
	const nobody = "nats://127.0.0.1:1"
	for want, o := range map[string]ConnOptions{
		"nats creds":    {URL: nobody, Creds: secret},
		"nats nkey":     {URL: nobody, NKey: secret},
		"nats password": {URL: nobody, User: "u", PasswordFile: secret},
		"nats key":      {URL: nobody, Cert: "cert", Key: secret},
		"nats context":  {Context: "known"},
		"":              {Context: "open"},
	} {
		var log bytes.Buffer
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		if c, err := Connect(t.Context(), o); err == nil {
			c.Close()
			t.Errorf("%s: connected", want)
		}
		said := log.String()
		if strings.Contains(said, `"`+want+` can be read by others than its owner"`) != (want != "") || strings.Contains(said, "topsecret") {
			t.Errorf("%s: logged %q", want, said)
		}
	}
}

// TestFlushEnds: a write to a server that takes nothing any more must end, and
// with it the publishes that wait for it.
func TestFlushEnds(t *testing.T) {
	t.Parallel()
	if got := startBroker(t, nil).connect().nc.Opts.FlusherTimeout; got != flushTimeout {
		t.Fatalf("%v", got)
	}
}
