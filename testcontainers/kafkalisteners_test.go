package testcontainers

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/youmark/pkcs8"
)

// listener is a port of the broker, by its protocol.
type listener struct{ name, protocol string }

var listeners = []listener{
	{"SPLAIN", "SASL_PLAINTEXT"}, // PLAIN
	{"SSCRAM", "SASL_SSL"},       // SCRAM-SHA-512; an authentication lasts 4 s
	{"SOAUTH", "SASL_SSL"},       // OAUTHBEARER; an authentication lasts as long as its token
	{"MTLS", "SSL"},
	{"TLSONLY", "SSL"},
}

// securedKafka is a broker with a port for each way in. The client that is not
// ours uses a port without any.
type securedKafka struct {
	kafkaTest
	ports map[string]string // HOST:PORT
	dir   string            // ca.pem, client.pem, client.key, locked.key, key-password, expired.pem, ...
	// Those that sign for the clients; the broker does not trust the stranger.
	ca, stranger *authority
}

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

// lastWords returns the error and the hint of the last line of a log.
func lastWords(t *testing.T, log string) (text, hint string) {
	t.Helper()
	var last struct{ Error, Hint string }
	lines := strings.Split(strings.TrimSpace(log), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatalf("%v: %s", err, log)
	}
	return last.Error, last.Hint
}

func newAuthority(t *testing.T, dir, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, cert: cert, key: key, dir: dir}
	a.write(name+".pem", "CERTIFICATE", der)
	return a
}

func (a *authority) write(name, kind string, der []byte) {
	a.t.Helper()
	b := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(filepath.Join(a.dir, name), b, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// sign writes a certificate and its key. The broker's are for 127.0.0.1.
func (a *authority) sign(name string, until time.Time) *ecdsa.PrivateKey {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "PRIVATE KEY", private)
	return key
}

// startSecured starts the broker.
func startSecured(t *testing.T) *securedKafka {
	t.Helper()
	needEngine(t)
	k := &securedKafka{ports: map[string]string{}, dir: t.TempDir()}
	ca := newAuthority(t, k.dir, "ca")
	ca.sign("broker", time.Now().Add(24*time.Hour))
	client := ca.sign("client", time.Now().Add(24*time.Hour))
	ca.sign("expired", time.Now().Add(-time.Minute))
	k.ca, k.stranger = ca, newAuthority(t, k.dir, "stranger")
	locked, err := pkcs8.ConvertPrivateKeyToPKCS8(client, []byte("key secret"))
	if err != nil {
		t.Fatal(err)
	}
	ca.write("locked.key", "ENCRYPTED PRIVATE KEY", locked)
	for name, text := range map[string]string{"password": "app-secret\n", "wrong": "no\n", "key-password": "key secret\n"} {
		k.file(t, name, text)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(k.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	store := append(append(read("broker.key"), read("broker.pem")...), read("ca.pem")...)

	listen := "CLIENTS://:9092,CONTROLLER://:9093,BROKERS://localhost:9094"
	protocols := "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT,BROKERS:PLAINTEXT"
	bindings, exposed := network.PortMap{}, []string{}
	bind := func(inside int) string {
		outside, port := freePort(t), strconv.Itoa(inside)+"/tcp"
		bindings[network.MustParsePort(port)] = []network.PortBinding{{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: strconv.Itoa(outside)}}
		exposed = append(exposed, port)
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(outside))
	}
	k.kafkaServer = &kafkaServer{address: bind(9092)}
	advertise := "CLIENTS://" + k.address + ",BROKERS://localhost:9094"
	for i, l := range listeners {
		inside := 9100 + i
		k.ports[l.name] = bind(inside)
		listen += fmt.Sprintf(",%s://:%d", l.name, inside)
		advertise += fmt.Sprintf(",%s://%s", l.name, k.ports[l.name])
		protocols += fmt.Sprintf(",%s:%s", l.name, l.protocol)
	}
	const modules = "org.apache.kafka.common.security."
	c, err := testcontainers.Run(t.Context(), "apache/kafka:4.3.1",
		testcontainers.WithExposedPorts(exposed...),
		testcontainers.WithHostConfigModifier(func(h *container.HostConfig) { h.PortBindings = bindings }),
		testcontainers.WithConfigModifier(func(c *container.Config) { c.User = "root" }),
		testcontainers.WithFiles(
			testcontainers.ContainerFile{Reader: bytes.NewReader(store), ContainerFilePath: "/etc/kafka/secrets/broker.pem", FileMode: 0o644},
			testcontainers.ContainerFile{Reader: bytes.NewReader(read("ca.pem")), ContainerFilePath: "/etc/kafka/secrets/ca.pem", FileMode: 0o644},
		),
		testcontainers.WithEnv(map[string]string{
			"KAFKA_NODE_ID": "1", "KAFKA_PROCESS_ROLES": "broker,controller",
			"KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093", "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
			"KAFKA_LISTENERS": listen, "KAFKA_ADVERTISED_LISTENERS": advertise, "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": protocols,
			"KAFKA_INTER_BROKER_LISTENER_NAME":               "BROKERS",
			"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR":         "1",
			"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
			"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR":            "1",
			"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS":         "0",
			"KAFKA_LOG_RETENTION_MS":                         "-1", // the tests' records are years old
			"KAFKA_HEAP_OPTS":                                "-Xms256m -Xmx512m",
			"KAFKA_SSL_KEYSTORE_TYPE":                        "PEM",
			"KAFKA_SSL_KEYSTORE_LOCATION":                    "/etc/kafka/secrets/broker.pem",
			"KAFKA_SSL_TRUSTSTORE_TYPE":                      "PEM",
			"KAFKA_SSL_TRUSTSTORE_LOCATION":                  "/etc/kafka/secrets/ca.pem",
			"KAFKA_LISTENER_NAME_MTLS_SSL_CLIENT_AUTH":       "required",
			"KAFKA_SASL_ENABLED_MECHANISMS":                  "PLAIN,SCRAM-SHA-512,OAUTHBEARER",

			"KAFKA_LISTENER_NAME_SPLAIN_SASL_ENABLED_MECHANISMS":                  "PLAIN",
			"KAFKA_LISTENER_NAME_SPLAIN_PLAIN_SASL_JAAS_CONFIG":                   modules + `plain.PlainLoginModule required user_app="app-secret";`,
			"KAFKA_LISTENER_NAME_SSCRAM_SASL_ENABLED_MECHANISMS":                  "SCRAM-SHA-512",
			"KAFKA_LISTENER_NAME_SSCRAM_SCRAM___SHA___512_SASL_JAAS_CONFIG":       modules + `scram.ScramLoginModule required;`,
			"KAFKA_LISTENER_NAME_SSCRAM_CONNECTIONS_MAX_REAUTH_MS":                "4000",
			"KAFKA_LISTENER_NAME_SOAUTH_SASL_ENABLED_MECHANISMS":                  "OAUTHBEARER",
			"KAFKA_LISTENER_NAME_SOAUTH_OAUTHBEARER_SASL_JAAS_CONFIG":             modules + `oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
			"KAFKA_LISTENER_NAME_SOAUTH_OAUTHBEARER_CONNECTIONS_MAX_REAUTH_MS":    "3600000",
			"KAFKA_LISTENER_NAME_SOAUTH_OAUTHBEARER_SASL_LOGIN_REFRESH_BUFFER_MS": "1000",
		}),
		whenStarted(),
	)
	testcontainers.CleanupContainer(t, c)
	if err != nil {
		t.Fatal(err)
	}
	k.container = c
	k.client = k.connect(t)
	k.ready(t)
	k.setPassword(t, "app-secret")
	path := filepath.Join(t.TempDir(), "key.jwk")
	streamcrypt(t.Context(), t, "keygen", "local", "--out", path)
	k.key = "local:" + path
	return k
}

func (k *securedKafka) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(k.dir, name)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}

// setPassword changes the password of the user app in the cluster.
func (k *securedKafka) setPassword(t *testing.T, password string) {
	t.Helper()
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	salted, err := pbkdf2.Key(sha512.New, password, salt, 4096, 64)
	if err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	u := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
	u.Name, u.Mechanism, u.Iterations, u.Salt, u.SaltedPassword = "app", 2, 4096, salt, salted
	req.Upsertions = append(req.Upsertions, u)
	res, err := req.RequestWith(t.Context(), k.client)
	if err != nil || res.Results[0].ErrorCode != 0 {
		t.Fatalf("%v, %+v", err, res)
	}
}

// at names a topic through a port; %s in the query is the folder of the files.
func (k *securedKafka) at(port, topic, query string) string {
	return "kafka://" + k.ports[port] + "/" + topic + "?" + strings.TrimSuffix(strings.ReplaceAll(query, "%s", k.dir), "&")
}

// unsecured returns a token that says who somebody is, without a signature: the
// broker is configured to believe it.
func unsecured(life time.Duration) string {
	part := func(v any) string {
		b, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	now := time.Now().Unix()
	return part(map[string]string{"alg": "none"}) + "." +
		part(map[string]any{"sub": "app", "iat": now, "exp": now + int64(life.Seconds())}) + "."
}

// ways are the URL parameters that get in, by port.
var ways = map[string]string{
	"SPLAIN":  "sasl=plain&user=app&password-file=%s/password",
	"SSCRAM":  "ca=%s/ca.pem&sasl=scram-sha-512&user=app&password-file=%s/password",
	"SOAUTH":  "ca=%s/ca.pem&sasl=oauthbearer&token-file=%s/token",
	"MTLS":    "ca=%s/ca.pem&cert=%s/client.pem&key=%s/locked.key&key-password-file=%s/key-password",
	"TLSONLY": "ca=%s/ca.pem&server-name=127.0.0.1",
}

// TestKafkaListeners gets into a broker by each way that there is, and says
// what is wrong where one does not.
func TestKafkaListeners(t *testing.T) {
	k := startSecured(t)
	k.file(t, "token", unsecured(time.Hour))
	s := series{partitions: parts, n: 2000, large: 100}
	for _, l := range listeners {
		t.Run(l.name, func(t *testing.T) {
			in, out := "in-"+l.name, "out-"+l.name
			k.topic(t, in, parts)
			k.put(t, in, 0, s.n, s.record)
			query := ways[l.name]
			k.run(t, "encrypt", k.at(l.name, in, "until=latest&group=g-"+l.name+"&"+query), k.at(l.name, out+".enc", "create=true&"+query))
			k.run(t, "decrypt", k.at(l.name, out+".enc", "until=latest&group=d-"+l.name+"&"+query), k.at(l.name, out, "create=true&"+query))
			k.compare(t, out, s, s.record)
		})
	}
	t.Run("mistakes", k.testMistakes)
	t.Run("rotation", k.testRotation)
	t.Run("tokens", k.testTokens)
	t.Run("certificates", k.testCertificates)
}

// testMistakes: each is exit code 2, with a word about what to do.
func (k *securedKafka) testMistakes(t *testing.T) {
	for name, tc := range map[string]struct{ port, query, says, hint string }{
		"no client certificate":      {"MTLS", "ca=%s/ca.pem", "certificate refused", "cert=FILE"},
		"expired client certificate": {"MTLS", "ca=%s/ca.pem&cert=%s/expired.pem&key=%s/expired.key", "certificate refused", "expired"},
		"encrypted key":              {"MTLS", "ca=%s/ca.pem&cert=%s/client.pem&key=%s/locked.key", "the key is encrypted", "key-password-file=FILE"},
		"wrong password of the key":  {"MTLS", "ca=%s/ca.pem&cert=%s/client.pem&key=%s/locked.key&key-password-file=%s/wrong", "the password does not fit", ""},
		"another name":               {"TLSONLY", "ca=%s/ca.pem&server-name=kafka.example.org", "certificate refused", "server-name=NAME"},
		"unknown root":               {"TLSONLY", "ca=%s/stranger.pem", "certificate refused", "ca=FILE"},
		"plaintext to TLS":           {"TLSONLY", "", "", "tls=true"},
		"plaintext to SASL_SSL":      {"SSCRAM", "", "", "tls=true"},
		"TLS to plaintext":           {"SPLAIN", "ca=%s/ca.pem", "hangs up", "no TLS"},
		"no user":                    {"SPLAIN", "", "hangs up", "sasl="},
		"wrong password":             {"SPLAIN", "sasl=plain&user=app&password-file=%s/wrong", "credentials refused", "password"},
		"wrong SCRAM password":       {"SSCRAM", "ca=%s/ca.pem&sasl=scram-sha-512&user=app&password-file=%s/wrong", "credentials refused", "password"},
		"another mechanism":          {"SSCRAM", "ca=%s/ca.pem&sasl=plain&user=app&password-file=%s/password", `it has "SCRAM-SHA-512"`, "sasl="},
		"user without SASL":          {"TLSONLY", "ca=%s/ca.pem&sasl=plain&user=app&password-file=%s/password", "does not authenticate users", "leave out sasl="},
		"bad token":                  {"SOAUTH", "ca=%s/ca.pem&sasl=oauthbearer&token-file=%s/password", "credentials refused", "token"},
		"mTLS, no user":              {"MTLS", "ca=%s/ca.pem&cert=%s/broker.pem&key=%s/client.key", "cert: tls: private key does not match", ""},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			e := exitOf(t.Context(), t, "encrypt", "--key", k.key, "--from", k.at(tc.port, "in-SPLAIN", "until=latest&"+tc.query),
				"--to", "file:"+filepath.Join(t.TempDir(), "out.scx"))
			t.Logf("%v: %s", time.Since(start).Round(time.Millisecond), e.stderr)
			says, advice := lastWords(t, e.stderr)
			if e.code != 2 || !strings.Contains(says, tc.says) || !strings.Contains(advice, tc.hint) {
				t.Errorf("exit %d, want %q with %q in the hint:\n%s", e.code, tc.says, tc.hint, e.stderr)
			}
			if strings.Contains(e.stderr, "app-secret") || strings.Contains(e.stderr, "key secret") {
				t.Error("a secret is shown")
			}
		})
	}
}

// testRotation: the password is changed in the cluster and in the file while a
// member runs. Its connections authenticate again each 3.4 s, and it neither
// stops nor rebalances.
func (k *securedKafka) testRotation(t *testing.T) {
	k.topic(t, "rotated", 2)
	k.topic(t, "rotated.enc", 2, "max.message.bytes", "1100000")
	query := ways["SSCRAM"]
	p := start(t, "encrypt", "--key", k.key, "--from", k.at("SSCRAM", "rotated", "group=rotated&session=1m&"+query), "--to", k.at("SSCRAM", "rotated.enc", query))
	s := series{partitions: 2, n: 3000, large: 1 << 30}
	k.carry(t, "rotated", "rotated.enc", s, 0, 1000)
	k.setPassword(t, "another secret")
	k.carry(t, "rotated", "rotated.enc", s, 1000, 2000) // on connections that are still good
	k.file(t, "password", "another secret\n")
	k.waitFor(t, 12*time.Second) // three authentications
	k.carry(t, "rotated", "rotated.enc", s, 2000, 3000)
	p.end(t)
	if n := strings.Count(p.logs.String(), "partitions assigned"); n != 1 {
		t.Errorf("%d rounds of the group", n)
	}
	k.setPassword(t, "app-secret")
	k.file(t, "password", "app-secret\n")
}

// testTokens: a service gives tokens that live 8 s, and is away for a while.
func (k *securedKafka) testTokens(t *testing.T) {
	var given, away atomic.Int32
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, secret, _ := r.BasicAuth()
		switch {
		case away.Load() > 0:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case user != "app" || secret != "client+secret": // it is form-encoded first (RFC 6749, section 2.3.1)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		given.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": unsecured(8 * time.Second), "token_type": "bearer", "expires_in": 8})
	}))
	defer service.Close()
	k.file(t, "client-secret", "client secret\n")
	query := "ca=%s/ca.pem&sasl=oauthbearer&client-id=app&client-secret-file=%s/client-secret&token-url=" + service.URL
	k.topic(t, "tokens", 2)
	k.topic(t, "tokens.enc", 2, "max.message.bytes", "1100000")
	p := start(t, "encrypt", "--key", k.key, "--from", k.at("SOAUTH", "tokens", "group=tokens&session=1m&"+query), "--to", k.at("SOAUTH", "tokens.enc", query))
	s := series{partitions: 2, n: 3000, large: 1 << 30}
	k.carry(t, "tokens", "tokens.enc", s, 0, 1000)
	k.waitFor(t, 10*time.Second)
	k.carry(t, "tokens", "tokens.enc", s, 1000, 2000)
	if n := given.Load(); n < 2 {
		t.Errorf("%d tokens were asked for", n)
	}
	away.Store(1)
	k.waitFor(t, 3*time.Second)
	away.Store(0)
	k.carry(t, "tokens", "tokens.enc", s, 2000, 3000)
	p.end(t)
	if n := strings.Count(p.logs.String(), "partitions assigned"); n != 1 {
		t.Errorf("%d rounds of the group", n)
	}
}

// carry writes records and waits until the route has carried all so far.
func (k *kafkaServer) carry(t *testing.T, from, to string, s series, first, last int) {
	t.Helper()
	k.put(t, from, first, last, s.record)
	deadline := time.Now().Add(patience)
	for n := 0; n < last; {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d records in time; %s ends at %v, stable is %v, transactions ended %v", n, last, to,
				k.ends(t, to, s.partitions), k.stable(t, to, s.partitions), k.transactionEnds(t, to, s.partitions))
		}
		k.waitFor(t, 200*time.Millisecond)
		n = 0
		k.read(t, to, s.partitions, func(*kgo.Record) { n++ })
		if n > last {
			t.Fatalf("%d records of %d", n, last)
		}
	}
}

// transactionEnds tells how the transactions in a topic ended, in the order of
// offsets, by partition.
func (k *kafkaServer) transactionEnds(t *testing.T, topic string, partitions int32) []string {
	t.Helper()
	ends := make([]string, partitions)
	k.readAll(t, topic, partitions, func(r *kgo.Record) {
		if r.Attrs.IsControl() {
			ends[r.Partition] += fmt.Sprintf(" %x@%d of producer %d/%d", r.Key, r.Offset, r.ProducerID, r.ProducerEpoch)
		}
	})
	return ends
}

// waitFor lets time pass in which authentications and tokens end: there is
// nothing to see of it from here.
func (k *kafkaServer) waitFor(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
