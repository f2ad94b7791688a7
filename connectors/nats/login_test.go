package nats

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// lockedBuffer is a log that the client library's goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *lockedBuffer) count(text string) int { return strings.Count(b.String(), text) }

// rotation is a server whose users change while a connection is open.
type rotation struct {
	*broker
	conn *Conn
	log  *lockedBuffer
}

func startRotation(t *testing.T, change func(*server.Options), o ConnOptions) *rotation {
	t.Helper()
	r := &rotation{broker: startBroker(t, change), log: new(lockedBuffer)}
	o.Log = slog.New(slog.NewTextHandler(r.log, nil))
	if o.Context == "" {
		o.URL = r.url()
	}
	var err error
	if r.conn, err = Connect(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.conn.Close)
	return r
}

// rotate restarts the server, and with it every connection, with other users.
func (r *rotation) rotate(change func(*server.Options)) {
	r.t.Helper()
	before := r.conn.connectionCount()
	r.stop()
	change(&r.opts)
	r.start()
	eventually(r.t, "connected again", func() bool { return r.conn.connectionCount() > before && r.conn.nc.IsConnected() })
	if strings.Contains(r.log.String(), "topsecret") {
		r.t.Fatalf("the log has a secret: %s", r.log)
	}
}

func overwrite(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPasswordRotates(t *testing.T) {
	t.Parallel()
	file := write(t, "p", []byte("topsecret1\n"))
	r := startRotation(t, func(o *server.Options) { o.Username, o.Password = "ann", "topsecret1" },
		ConnOptions{User: "ann", PasswordFile: file})
	overwrite(t, file, []byte("topsecret2\n"))
	r.rotate(func(o *server.Options) { o.Password = "topsecret2" })

	// A file that is gone for a moment leaves the last one in use.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	r.rotate(func(*server.Options) {})
	if !strings.Contains(r.log.String(), "cannot be read again") {
		t.Errorf("log: %s", r.log)
	}
}

func TestTokenRotates(t *testing.T) {
	t.Parallel()
	file := write(t, "t", []byte("topsecret1\n"))
	r := startRotation(t, func(o *server.Options) { o.Authorization = "topsecret1" }, ConnOptions{TokenFile: file})
	overwrite(t, file, []byte("topsecret2"))
	r.rotate(func(o *server.Options) { o.Authorization = "topsecret2" })
	wantRefused(t, ConnOptions{URL: r.url(), TokenFile: write(t, "t", []byte("other"))})
}

// TestNKeyRotates: the next nkey is another user, not only another signature.
func TestNKeyRotates(t *testing.T) {
	t.Parallel()
	_, first, seed := newKey(t, nkeys.CreateUser)
	file := write(t, "seed", seed)
	r := startRotation(t, func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: first}} }, ConnOptions{NKey: file})
	_, second, seed := newKey(t, nkeys.CreateUser)
	overwrite(t, file, seed)
	r.rotate(func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: second}} })
}

func TestCredsRotate(t *testing.T) {
	t.Parallel()
	operator, operatorPublic, _ := newKey(t, nkeys.CreateOperator)
	account, accountPublic, _ := newKey(t, nkeys.CreateAccount)
	creds := func() (text []byte, public string) {
		_, public, seed := newKey(t, nkeys.CreateUser)
		userJWT, err := jwt.NewUserClaims(public).Encode(account)
		if err != nil {
			t.Fatal(err)
		}
		if text, err = jwt.FormatUserConfig(userJWT, seed); err != nil {
			t.Fatal(err)
		}
		return text, public
	}
	// admit gives the server the account, without the users that are revoked.
	admit := func(o *server.Options, revoked ...string) {
		claims := jwt.NewAccountClaims(accountPublic)
		for _, user := range revoked {
			claims.Revoke(user)
		}
		text, err := claims.Encode(operator)
		if err != nil {
			t.Fatal(err)
		}
		resolver := new(server.MemAccResolver)
		if err := resolver.Store(accountPublic, text); err != nil {
			t.Fatal(err)
		}
		o.TrustedKeys, o.AccountResolver = []string{operatorPublic}, resolver
	}
	text, first := creds()
	file := write(t, "user.creds", text)
	r := startRotation(t, func(o *server.Options) { o.JetStream = false; admit(o) }, ConnOptions{Creds: file})
	text, _ = creds()
	overwrite(t, file, text)
	r.rotate(func(o *server.Options) { admit(o, first) })
}

// TestContextRotates: what a context holds itself is read again, too.
func TestContextRotates(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	folder := filepath.Join(dir, "nats", "context")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("nats://127.0.0.1:%d", port)
	save := func(user, password string) {
		text, err := json.Marshal(map[string]string{"url": url, "user": user, "password": password})
		if err != nil {
			t.Fatal(err)
		}
		overwrite(t, filepath.Join(folder, "prod.json"), text)
	}
	save("ann", "topsecret1")
	r := startRotation(t, func(o *server.Options) { o.Port, o.Username, o.Password = port, "ann", "topsecret1" }, ConnOptions{Context: "prod"})
	save("bea", "topsecret2")
	r.rotate(func(o *server.Options) { o.Username, o.Password = "bea", "topsecret2" })
}

// TestCertificatesRotate: the authority changes, and with it the certificates
// of both sides.
func TestCertificatesRotate(t *testing.T) {
	t.Parallel()
	demand := func(a *authority) func(*server.Options) {
		pair, err := tls.X509KeyPair(a.issue())
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(a.cert)
		return func(o *server.Options) {
			o.TLS, o.TLSVerify = true, true
			o.TLSConfig = &tls.Config{
				Certificates: []tls.Certificate{pair},
				ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: roots, MinVersion: tls.VersionTLS12,
			}
		}
	}
	first, second := newAuthority(t), newAuthority(t)
	certPEM, keyPEM := first.issue()
	o := ConnOptions{CA: write(t, "ca.pem", first.pem), Cert: write(t, "cert.pem", certPEM), Key: write(t, "key.pem", keyPEM)}
	r := startRotation(t, demand(first), o)
	certPEM, keyPEM = second.issue()
	overwrite(t, o.CA, second.pem)
	overwrite(t, o.Cert, certPEM)
	overwrite(t, o.Key, keyPEM)
	r.rotate(demand(second))
}

// TestDomain: the API of a domain, and one behind a prefix that an import
// gives, serve a source, its lease and a sink.
func TestDomain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "server.conf")
	overwrite(t, file, []byte(importConfig))
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b := startBroker(t, func(o *server.Options) {
		host, port, store := o.Host, o.Port, o.StoreDir
		*o = *opts
		o.Host, o.Port, o.StoreDir, o.NoLog, o.NoSigs = host, port, store, true, true
	})
	owner := func(o ConnOptions) *Conn {
		o.URL, o.Log = b.url(), quiet
		c, err := Connect(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	password := write(t, "p", []byte("p"))
	js := owner(ConnOptions{User: "owner", PasswordFile: password}).js
	b.js = js
	for name, o := range map[string]ConnOptions{
		"domain": {User: "owner", PasswordFile: password, Domain: "hub"},
		"prefix": {User: "guest", PasswordFile: password, APIPrefix: "JS.owner"},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := strings.ToUpper(name)+"A", strings.ToUpper(name)+"B"
			b.stream(from, nil)
			b.stream(to, nil)
			b.fill(from, 20, 0)
			c := owner(o)
			r := read(t, b.source(c, SourceOptions{Stream: from, Consumer: "enc"}))
			equal(t, r.await(20), want(20, 0))
			eventually(t, "acknowledged", func() bool { return b.consumer(from, "enc").AckFloor.Stream == 20 })
			if err := r.end(); err != nil {
				t.Fatal(err)
			}
			s := b.sink(c, SinkOptions{Stream: to})
			for range 2 { // the second time they are found stored
				if err := b.writer(s).Write(t.Context(), numberedMessages(subjectOf(to)+".x", 5, 0), nil); err != nil {
					t.Fatal(err)
				}
			}
			if already, _ := notedDuplicates(s); already != 5 || len(b.stored(to)) != 5 {
				t.Fatalf("%d found stored, %d in the stream", already, len(b.stored(to)))
			}
		})
	}
}

// importConfig is what docs/nats.md shows for a guest account.
const importConfig = `
jetstream { domain: hub }
accounts {
  OWNER {
    jetstream: enabled
    users: [ { user: owner, password: p } ]
    exports: [
      { service: "$JS.API.>", response: stream }
      { service: "$JS.ACK.>" }
      { service: "$KV.>" }
      { service: "prefixb.>" }
    ]
  }
  GUEST {
    users: [ { user: guest, password: p } ]
    imports: [
      { service: { account: OWNER, subject: "$JS.API.>" }, to: "JS.owner.>" }
      { service: { account: OWNER, subject: "$JS.ACK.>" } }
      { service: { account: OWNER, subject: "$KV.>" }, to: "JS.owner.$KV.>" }
      { service: { account: OWNER, subject: "prefixb.>" } }
    ]
  }
}
`
