package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	connector "github.com/streamcrypt/streamcrypt/connectors/kafka"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

var table = endpoint.Table{Scheme()}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTopics(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	h := connection{brokers: "h:9092"}
	tests := []struct {
		in   string
		as   endpoint.Role
		want topic
	}{
		{"kafka://h:9092/orders?group=g", endpoint.From, topic{group: "g", conn: h}},
		{"kafka://h1:9092,h2/orders?group=g", endpoint.From, topic{group: "g", conn: connection{brokers: "h1:9092,h2"}}},
		{"kafka://h:9092/orders?group=g&start=earliest", endpoint.From, topic{group: "g", chosen: true, conn: h}},
		{"kafka://h:9092/orders?group=g&start=sealed", endpoint.From, topic{group: "g", start: connector.Start{Sealed: true}, chosen: true, conn: h}},
		{"kafka://h:9092/orders?group=g&start=latest&rack=r1", endpoint.From, topic{group: "g", rack: "r1", start: connector.Start{New: true}, chosen: true, conn: h}},
		{"kafka://h:9092/orders?group=g&codec-memory=32MiB", endpoint.From, topic{group: "g", codecMemory: 32 << 20, conn: h}},
		{"kafka://h:9092/orders?start=17&until=latest", endpoint.From, topic{chosen: true, start: connector.Start{Offset: 17}, until: connector.Until{End: true}, conn: h}},
		{"kafka://h:9092/orders?start=0&until=18", endpoint.From, topic{chosen: true, until: connector.Until{Offset: 18}, conn: h}},
		{
			"kafka://h:9092/orders?start=2026-01-02T03:04:05Z&until=2026-01-02T03:04:05Z", endpoint.From,
			topic{chosen: true, start: connector.Start{Time: at}, until: connector.Until{Time: at}, conn: h},
		},
		{"kafka://h:9092/orders?until=latest&partitions=0,3", endpoint.From, topic{until: connector.Until{End: true}, partitions: []int32{0, 3}, conn: h}},
		{
			"kafka://h:9092/orders?until=1969-12-31T23:59:59.999Z&start=-2000000h", endpoint.From, // -1 and -2 ms have another meaning
			topic{chosen: true, start: connector.Start{Time: time.Unix(0, 0)}, until: connector.Until{Time: time.Unix(0, 0)}, conn: h},
		},
		{
			"kafka://h:9092/orders?start=orders/3@8812,orders/1@5&until=orders/3@9000", endpoint.From,
			topic{
				chosen: true, start: connector.Start{Places: map[string]int64{"orders/3": 8812, "orders/1": 5}},
				until: connector.Until{Places: map[string]int64{"orders/3": 9000}}, conn: h,
			},
		},
		{"kafka://h:9092/orders", endpoint.Look, topic{until: connector.Until{End: true}, conn: h}},
		{"kafka://h:9092/orders?until=5&partitions=1", endpoint.Look, topic{until: connector.Until{Offset: 5}, partitions: []int32{1}, conn: h}},
		{"kafka://h:9092/orders", endpoint.To, topic{conn: h}},
		{
			"kafka://h:9092/orders?create=true&partition=key&delivery=exactly-once&compression=zstd", endpoint.To,
			topic{create: true, partition: connector.ByKey, delivery: connector.ExactlyOnce, compression: batch.Zstd, conn: h},
		},
		{"kafka://h:9092/orders?partition=same&delivery=at-least-once&compression=none", endpoint.To, topic{delivery: connector.AtLeastOnce, conn: h}},
		{"kafka://h:9092/orders?compression=gzip", endpoint.To, topic{compression: batch.Gzip, conn: h}},
		{"kafka://h:9092/orders?compression=snappy", endpoint.To, topic{compression: batch.Snappy, conn: h}},
		{"kafka://h:9092/orders?compression=lz4&create=true", endpoint.DeadLetters, topic{create: true, compression: batch.LZ4, conn: h}},
		{
			"kafka://h:9092/orders?tls=true&ca=a&cert=b&key=c", endpoint.To,
			topic{conn: connection{brokers: "h:9092", Credentials: endpoint.Credentials{TLS: true, CA: "a", Cert: "b", Key: "c"}}},
		},
		{"kafka://h:9092/orders?ca=a", endpoint.To, topic{conn: connection{brokers: "h:9092", Credentials: endpoint.Credentials{TLS: true, CA: "a"}}}},
		{
			"kafka://h:9092/orders?tls=true&sasl=scram-sha-512&user=u&password-file=f", endpoint.DeadLetters,
			topic{conn: connection{brokers: "h:9092", sasl: "scram-sha-512", Credentials: endpoint.Credentials{TLS: true, User: "u", PasswordFile: "f"}}},
		},
	}
	tests = append(tests, []struct {
		in   string
		as   endpoint.Role
		want topic
	}{
		{
			"kafka://h:9092/orders?ca=a&cert=b&key=c&key-password-file=d&server-name=n", endpoint.To,
			topic{conn: connection{
				brokers: "h:9092", serverName: "n", keyPasswordFile: "d",
				Credentials: endpoint.Credentials{TLS: true, CA: "a", Cert: "b", Key: "c"},
			}},
		},
		{
			"kafka://h:9092/orders?tls=true&sasl=oauthbearer&token-url=https://h/t&client-id=c&client-secret-file=f&scope=a,b" +
				"&audience=x&token-ca=y&sasl-extensions=logicalCluster:lkc-1,identityPoolId:pool-1", endpoint.To,
			topic{conn: connection{
				brokers: "h:9092", sasl: oauthBearer, extensions: "logicalCluster:lkc-1,identityPoolId:pool-1",
				tokens: tokenParams{
					url: "https://h/t", clientID: "c", secretFile: "f", scope: "a b", audience: "x", ca: "y",
				},
				Credentials: endpoint.Credentials{TLS: true},
			}},
		},
		{
			"kafka://h:9092/orders?tls=true&sasl=aws-msk-iam&region=r&role=o&profile=p", endpoint.To,
			topic{conn: connection{
				brokers: "h:9092", sasl: awsIAM, aws: awsParams{region: "r", role: "o", profile: "p"},
				Credentials: endpoint.Credentials{TLS: true},
			}},
		},
	}...)
	for _, tc := range tests {
		e, err := table.Parse(tc.in, tc.as)
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		tc.want.as, tc.want.topic, tc.want.name = tc.as, "orders", "kafka://"+tc.want.conn.brokers+"/orders"
		must(t, tc.want.readNames())
		e.(*topic).url = nil // only LookURL uses it
		if !reflect.DeepEqual(e, &tc.want) {
			t.Errorf("%s: got %+v, want %+v", tc.in, e, tc.want)
		}
		traits := e.Traits()
		if endpoint.IsRaw(e) || traits.Archive || traits.Context != "orders" || traits.Name != tc.want.name || !traits.Log ||
			traits.KeepsPartitions != (tc.want.partition == connector.SamePartition) || traits.Subjects != endpoint.NoSubjects ||
			traits.Checkpoint != (tc.as == endpoint.From && tc.want.group == "") || traits.OneLane || traits.TextHeaders {
			t.Errorf("%s: got %+v", tc.in, traits)
		}
	}
}

func TestURLsAreRefused(t *testing.T) {
	tests := []struct {
		query string // behind kafka://h/t, or all of it
		as    endpoint.Role
		want  string
		hint  string
	}{
		{"kafka://h", endpoint.From, "no topic", "kafka://HOST:PORT/TOPIC"},
		{"kafka:t", endpoint.To, "no topic", "kafka://HOST:PORT/TOPIC"},
		{"kafka:///t", endpoint.From, "no host", "kafka://HOST:PORT/TOPIC"},
		{"kafka://a,,b/t", endpoint.From, "no host", "commas"},
		{"kafka://joe:hunter2@h/t", endpoint.From, "a user before the host", ""},
		{"kafak://h/t", endpoint.From, `the nearest known one is "kafka"`, ""},
		{"group=g&codec-memory=5MiB", endpoint.From, `"5MiB" is not a number of MiB from 6 to 1024`, "codec-memory=32MiB"},
		{"group=g&codec-memory=32", endpoint.From, `"32" is not a number of MiB`, "codec-memory=32MiB"},
		{"group=g&codec-memory=9999999999999999999MiB", endpoint.From, "is not a number of MiB", "codec-memory=32MiB"},
		{"codec-memory=32MiB", endpoint.To, "unknown parameter", ""},
		{"grup=g", endpoint.From, `unknown parameter "grup", the nearest known one is "group"`, ""},
		{"group=g", endpoint.To, `unknown parameter "group"`, ""},
		{"create=true", endpoint.From, `unknown parameter "create"`, ""},
		{"start=yesterday", endpoint.From, `parameter start: "yesterday" is no position`, "start= is earliest, latest, sealed, an offset, PLACE@OFFSET,..., a time"},
		{"start=-1", endpoint.From, "no position", ""},
		{"start=-1&grup=g", endpoint.From, `"grup"`, ""},
		{"start=beginning", endpoint.From, "start=beginning is now start=earliest", ""},
		{"start=sealed", endpoint.Look, "nothing is written here", ""},
		{"until=end", endpoint.From, "until=end is now until=latest", ""},
		{"until=earliest", endpoint.From, "earliest is not served here", "until= is latest"},
		{"until=0", endpoint.From, "offset 0 is below 1", "until= is latest, an offset from 1"},
		{"until=never", endpoint.From, "no position", ""},
		{"partitions=0,x", endpoint.From, `"x" is not a number`, "partitions=0,3"},
		{"partitions=0,-1", endpoint.From, `"-1" is not a number`, ""},
		{"partitions=4294967296", endpoint.From, "not a number", ""},
		{"partition=keys", endpoint.To, `the nearest known one is "key"`, ""},
		{"delivery=exactly", endpoint.To, `unknown value "exactly"`, ""},
		{"delivery=at-least-once", endpoint.DeadLetters, `unknown parameter "delivery"`, ""},
		{"partition=key", endpoint.DeadLetters, `unknown parameter "partition"`, ""},
		{"compression=zsdt", endpoint.To, `the nearest known one is "zstd"`, ""},
		{"create=yes", endpoint.To, `unknown value "yes"`, ""},
		{"cert=a", endpoint.From, "a certificate without its key", "cert=FILE&key=FILE"},
		{"key=a&tls=true", endpoint.To, "a certificate without its key", ""},
		{"sasl=plain", endpoint.From, "sasl without a user", "user=NAME&password-file=FILE"},
		{"sasl=plain&user=u", endpoint.From, "sasl without a user", ""},
		{"user=u&password-file=f", endpoint.To, "a user and no mechanism", "scram-sha-512"},
		{"sasl=scram", endpoint.To, `unknown value "scram"`, ""},
		{"kafka://h/a,b,a?group=g", endpoint.From, "listed twice", ""},
		{"kafka://h/~?group=g", endpoint.From, "empty", "RE2"},
		{"kafka://h/~(a?group=g", endpoint.From, "missing closing", "%3F"},
		{"kafka://h/{topic}?group=g", endpoint.From, "not a topic name", ""},
		{"kafka://h/a,b", endpoint.To, "not a topic name", ""},
		{"kafka://h/{topics}", endpoint.To, "placeholder", ""},
		{"kafka://h/a,b?until=latest&partitions=1", endpoint.From, "one topic only", ""},
		{"kafka://h/a/b", endpoint.To, "not a topic name", ""},
		{"kafka://h:1:2/t", endpoint.To, "is not HOST or HOST:PORT", ""},
		{"kafka://h/t", endpoint.From, "neither a group nor an end", "group=NAME"},
		{"start=5", endpoint.From, "neither a group nor an end", "until=latest"},
		{"group=g&partitions=1", endpoint.From, "a group assigns them", "until=latest"},
		{"start=latest&until=latest", endpoint.From, "start=latest: a run with an end", ""},
		{"start=latest", endpoint.Look, "start=latest: a run with an end", ""},
		{"group=g", endpoint.Look, "a group would remember", "leave out group="},
		{"sasl=oauthbearer", endpoint.From, "sasl=oauthbearer without a token", "token-file=FILE"},
		{"sasl=oauthbearer&token-file=f&token-url=https://h/t", endpoint.From, "by a file and by a service", ""},
		{"sasl=oauthbearer&token-url=https://h/t&client-id=c", endpoint.From, "without a token", "client-secret-file"},
		{"sasl=oauthbearer&token-url=http://h/t&client-id=c&client-secret-file=f", endpoint.From, "a secret can be sent to", "https"},
		{"sasl=oauthbearer&token-url=https://u:hunter2@h/t&client-id=c&client-secret-file=f", endpoint.From, "a secret can be sent to", ""},
		{"sasl=oauthbearer&token-file=f&user=u", endpoint.From, "takes none", "leave out user="},
		{"sasl=oauthbearer&token-file=f&sasl-extensions=a", endpoint.From, "a name without a value", "NAME:VALUE"},
		{"token-file=f", endpoint.From, "no mechanism that takes one", "sasl=oauthbearer"},
		{"sasl=aws-msk-iam", endpoint.From, "shows a token", "tls=true"},
		{"region=r", endpoint.From, "no mechanism that takes them", "sasl=aws-msk-iam"},
		{"sasl=aws-msk-iam&tls=true&password-file=f", endpoint.From, "takes none", ""},
		{"tls=true&key-password-file=f", endpoint.From, "a password of a key and no key", ""},
		{"server-name=n", endpoint.From, "a server's name and no TLS", "tls=true"},
		{"password=hunter2", endpoint.To, `unknown parameter "password"`, ""},
	}
	for _, tc := range tests {
		url := tc.query
		if !strings.HasPrefix(url, "kaf") {
			url = "kafka://h/t?" + url
		}
		_, err := table.Parse(url, tc.as)
		var advised *hint.Error
		switch {
		case err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: got %v, want %q in it", tc.query, err, tc.want)
		case tc.hint != "" && (!errors.As(err, &advised) || !strings.Contains(advised.Hint, tc.hint)):
			t.Errorf("%s: the hint of %v lacks %q", tc.query, err, tc.hint)
		}
	}
}

// The array is written out by hand from docs/envelope.md, section 3.
func TestTopicIdentity(t *testing.T) {
	topic := [16]byte{0xa0, 15: 0x0f}
	id, err := identifyTopic("c1", topic)
	must(t, err)
	want := "83" + "656b61666b61" + "626331" + "50a0" + strings.Repeat("00", 14) + "0f"
	if got := hex.EncodeToString(id); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	other, err := identifyTopic("c2", topic)
	must(t, err)
	if id.Short() == other.Short() {
		t.Error("two clusters have one source")
	}
	if none, err := identifyTopic("c1", [16]byte{}); none != nil || err != nil {
		t.Errorf("a topic without an id: %x, %v", none, err)
	}
}

func TestConnectionOptions(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name string, b []byte) {
		t.Helper()
		must(t, os.WriteFile(name, b, 0o600))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	certificate, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, key.Public(), key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	write("cert", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	write("key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	write("none", []byte("nothing"))
	write("p", []byte("pass word\r\n"))

	var logged strings.Builder
	log := slog.New(slog.NewTextHandler(&logged, nil))
	c := connection{brokers: "a:1,b", sasl: "plain", Credentials: endpoint.Credentials{TLS: true, CA: "cert", Cert: "cert", Key: "key", User: "u", PasswordFile: "p"}}
	o, err := c.options(t.Context(), log)
	must(t, err)
	config, err := o.TLS()
	must(t, err)
	if len(o.Brokers) != 2 || config.RootCAs == nil || len(config.Certificates) != 1 || config.MinVersion == 0 || o.SASL.Name() != "PLAIN" || logged.Len() > 0 {
		t.Errorf("got %+v; %s", o, logged.String())
	}
	if _, token, err := o.SASL.Start(t.Context()); err != nil || string(token) != "\x00u\x00pass word" {
		t.Errorf("the password is read as %q, %v", token, err)
	}
	for want, c := range map[string]connection{
		"shows the secret":           {sasl: "plain", Credentials: endpoint.Credentials{User: "u", PasswordFile: "p"}},
		"":                           {sasl: "scram-sha-512", Credentials: endpoint.Credentials{User: "u", PasswordFile: "p"}},
		"password: open no":          {sasl: "plain", Credentials: endpoint.Credentials{User: "u", PasswordFile: "no"}},
		"ca: open no":                {Credentials: endpoint.Credentials{TLS: true, CA: "no"}},
		"ca: none: no certificate":   {Credentials: endpoint.Credentials{TLS: true, CA: "none"}},
		"cert: tls: failed to find ": {Credentials: endpoint.Credentials{TLS: true, Cert: "none", Key: "none"}},
	} {
		logged.Reset()
		_, err := c.options(t.Context(), log)
		said := logged.String()
		if err != nil {
			said += err.Error()
		}
		if !strings.Contains(said, want) || want == "" && said != "" || strings.Contains(said, "pass word") {
			t.Errorf("%+v: got %q, want %q in it", c, said, want)
		}
	}
	if o, err := (connection{brokers: "a"}).options(t.Context(), log); err != nil || o.TLS != nil || o.SASL != nil {
		t.Errorf("got %+v, %v", o, err)
	}
}

// TestNeeds: each topic of a list has rights of its own, and a pattern none
// that a command could grant.
func TestNeeds(t *testing.T) {
	for in, want := range map[string][]string{
		"kafka://h:9092/a,b?group=g": {
			"Read on topic a", "Describe on topic a", "Read on topic b", "Describe on topic b", "Read on group g",
			"DescribeConfigs on topic a", "DescribeConfigs on topic b",
		},
		"kafka://h:9092/~a.*?group=g": {
			"Read on topic ~a.*", "Describe on topic ~a.*", "Read on group g", "DescribeConfigs on topic ~a.*",
		},
	} {
		e, err := table.Parse(in, endpoint.From)
		must(t, err)
		var got []string
		for _, need := range e.(endpoint.Checker).Needs() {
			got = append(got, need.Right)
			if strings.Contains(need.Right, "~") != (need.Grant == "") {
				t.Errorf("%s: %q is granted by %q", in, need.Right, need.Grant)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q", in, got)
		}
	}
}
