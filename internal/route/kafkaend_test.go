package route

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

	"github.com/streamcrypt/streamcrypt/connectors/kafka"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

func TestKafkaEnds(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	h := kafkaConn{brokers: "h:9092"}
	tests := []struct {
		in   string
		as   role
		want kafkaEnd
	}{
		{"kafka://h:9092/orders?group=g", source, kafkaEnd{group: "g", conn: h}},
		{"kafka://h1:9092,h2/orders?group=g", source, kafkaEnd{group: "g", conn: kafkaConn{brokers: "h1:9092,h2"}}},
		{"kafka://h:9092/orders?group=g&start=beginning", source, kafkaEnd{group: "g", conn: h}},
		{"kafka://h:9092/orders?group=g&start=new&rack=r1", source, kafkaEnd{group: "g", rack: "r1", start: kafka.Start{New: true}, conn: h}},
		{"kafka://h:9092/orders?start=17&until=end", source, kafkaEnd{start: kafka.Start{Offset: 17}, until: kafka.Until{End: true}, conn: h}},
		{"kafka://h:9092/orders?start=0&until=18", source, kafkaEnd{until: kafka.Until{Offset: 18}, conn: h}},
		{
			"kafka://h:9092/orders?start=2026-01-02T03:04:05Z&until=2026-01-02T03:04:05Z", source,
			kafkaEnd{start: kafka.Start{Time: at}, until: kafka.Until{Time: at}, conn: h},
		},
		{"kafka://h:9092/orders?until=end&partitions=0,3", source, kafkaEnd{until: kafka.Until{End: true}, partitions: []int32{0, 3}, conn: h}},
		{"kafka://h:9092/orders", sink, kafkaEnd{conn: h}},
		{
			"kafka://h:9092/orders?create=true&partition=key&delivery=exactly-once&compression=zstd", sink,
			kafkaEnd{create: true, partition: kafka.ByKey, delivery: kafka.ExactlyOnce, compression: batch.Zstd, conn: h},
		},
		{"kafka://h:9092/orders?partition=same&delivery=at-least-once&compression=none", sink, kafkaEnd{delivery: kafka.AtLeastOnce, conn: h}},
		{"kafka://h:9092/orders?compression=gzip", sink, kafkaEnd{compression: batch.Gzip, conn: h}},
		{"kafka://h:9092/orders?compression=snappy", sink, kafkaEnd{compression: batch.Snappy, conn: h}},
		{"kafka://h:9092/orders?compression=lz4&create=true", deadLetter, kafkaEnd{create: true, compression: batch.LZ4, conn: h}},
		{
			"kafka://h:9092/orders?tls=true&ca=a&cert=b&key=c", sink,
			kafkaEnd{conn: kafkaConn{brokers: "h:9092", tls: true, ca: "a", cert: "b", key: "c"}},
		},
		{"kafka://h:9092/orders?ca=a", sink, kafkaEnd{conn: kafkaConn{brokers: "h:9092", tls: true, ca: "a"}}},
		{
			"kafka://h:9092/orders?tls=true&sasl=scram-sha-512&user=u&password-file=f", deadLetter,
			kafkaEnd{conn: kafkaConn{brokers: "h:9092", tls: true, sasl: "scram-sha-512", user: "u", passwordFile: "f"}},
		},
	}
	for _, tc := range tests {
		e, err := parseEnd(tc.in, tc.as)
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		tc.want.topic = "orders"
		if e.file != nil || e.nats != nil || !reflect.DeepEqual(*e.kafka, tc.want) {
			t.Errorf("%s: got %+v, want %+v", tc.in, *e.kafka, tc.want)
		}
		if e.raw() || e.seq() || e.context() != "orders" || e.name != "kafka://"+tc.want.conn.brokers+"/orders" {
			t.Errorf("%s: is taken for %+v", tc.in, e)
		}
	}
}

func TestKafkaEndsAreRefused(t *testing.T) {
	tests := []struct {
		query string // behind kafka://h/t, or all of it
		as    role
		want  string
		hint  string
	}{
		{"kafka://h", source, "no topic", "kafka://HOST:PORT/TOPIC"},
		{"kafka:t", sink, "no topic", "kafka://HOST:PORT/TOPIC"},
		{"kafka:///t", source, "no host", "kafka://HOST:PORT/TOPIC"},
		{"kafka://a,,b/t", source, "no host", "commas"},
		{"kafka://joe:hunter2@h/t", source, "a user before the host", ""},
		{"kafak://h/t", source, `the nearest known one is "kafka"`, ""},
		{"grup=g", source, `unknown parameter "grup", the nearest known one is "group"`, ""},
		{"group=g", sink, `unknown parameter "group"`, ""},
		{"create=true", source, `unknown parameter "create"`, ""},
		{"start=yesterday", source, `parameter start: "yesterday" is not a place`, "beginning, new"},
		{"start=-1", source, "not a place", ""},
		{"start=-1&grup=g", source, `"grup"`, ""},
		{"until=0", source, `"0" is not an end`, "until= is end"},
		{"until=never", source, "not an end", ""},
		{"partitions=0,x", source, `"x" is not a number`, "partitions=0,3"},
		{"partitions=0,-1", source, `"-1" is not a number`, ""},
		{"partitions=4294967296", source, "not a number", ""},
		{"partition=keys", sink, `the nearest known one is "key"`, ""},
		{"delivery=exactly", sink, `unknown value "exactly"`, ""},
		{"delivery=at-least-once", deadLetter, `unknown parameter "delivery"`, ""},
		{"partition=key", deadLetter, `unknown parameter "partition"`, ""},
		{"compression=zsdt", sink, `the nearest known one is "zstd"`, ""},
		{"create=yes", sink, `unknown value "yes"`, ""},
		{"cert=a", source, "a certificate without its key", "cert=FILE&key=FILE"},
		{"key=a&tls=true", sink, "a certificate without its key", ""},
		{"sasl=plain", source, "sasl without a user", "user=NAME&password-file=FILE"},
		{"sasl=plain&user=u", source, "sasl without a user", ""},
		{"user=u&password-file=f", sink, "a user and no mechanism", "scram-sha-512"},
		{"sasl=scram", sink, `unknown value "scram"`, ""},
		{"password=hunter2", sink, `unknown parameter "password"`, ""},
	}
	for _, tc := range tests {
		url := tc.query
		if !strings.Contains(url, ":") {
			url = "kafka://h/t?" + url
		}
		_, err := parseEnd(url, tc.as)
		var advised *hint.Error
		switch {
		case err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: got %v, want %q in it", tc.query, err, tc.want)
		case tc.hint != "" && (!errors.As(err, &advised) || !strings.Contains(advised.Hint, tc.hint)):
			t.Errorf("%s: the hint of %v lacks %q", tc.query, err, tc.hint)
		}
	}
}

// What a run cannot be is refused before anything is connected to.
func TestKafkaRunsAreRefused(t *testing.T) {
	tests := []struct {
		name string
		do   direction
		c    Config
		want string
		hint string
	}{
		{"no group", encrypt, Config{From: "kafka://h/t", To: "kafka://h/u"}, "neither a group nor an end", "group=NAME"},
		{"start alone", decrypt, Config{From: "kafka://h/t?start=5", To: "file:a.ndjson"}, "neither a group nor an end", "until=end"},
		{"partitions in a group", encrypt, Config{From: "kafka://h/t?group=g&partitions=1", To: "kafka://h/u"}, "deals them out", "until=end"},
		{"new and an end", encrypt, Config{From: "kafka://h/t?start=new&until=end", To: "kafka://h/u"}, "start=new", ""},
		{"verified in a group", verify, Config{From: "kafka://h/t?group=g"}, "a group would remember", "group="},
		{"one topic", encrypt, Config{From: "kafka://h/t?group=g", To: "kafka://h/t"}, "from and to are the same", ""},
		{"its own letters", encrypt, Config{From: "kafka://h/t?group=g", To: "kafka://h/u", DeadLetter: "kafka://h/u"}, "to and the dead letters are the same", ""},
		{"checkpoint", encrypt, Config{From: "kafka://h/t?group=g", To: "kafka://h/u", Checkpoint: "c"}, "neither end is a file", "group"},
		{"into a raw file", encrypt, Config{From: "kafka://h/t?group=g", To: "file:a"}, "holds records", "format="},
	}
	for _, tc := range tests {
		_, err := newPlan(tc.do, tc.c, Env{})
		var advised *hint.Error
		switch {
		case err == nil || !strings.Contains(err.Error(), tc.want):
			t.Errorf("%s: got %v, want %q in it", tc.name, err, tc.want)
		case tc.hint != "" && (!errors.As(err, &advised) || !strings.Contains(advised.Hint, tc.hint)):
			t.Errorf("%s: the hint of %v lacks %q", tc.name, err, tc.hint)
		}
	}
	p, err := newPlan(verify, Config{From: "kafka://h/t"}, Env{})
	must(t, err)
	if !p.from.kafka.until.End {
		t.Error("verifying has no end")
	}
}

// The array is written out by hand from docs/envelope.md, section 3.
func TestPartitionIdentity(t *testing.T) {
	topic := [16]byte{0xa0, 15: 0x0f}
	id, err := partitionIdentity("c1", topic, 300)
	must(t, err)
	want := "84" + "656b61666b61" + "626331" + "50a0" + strings.Repeat("00", 14) + "0f" + "19012c"
	if got := hex.EncodeToString(id); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	seen := map[[7]byte]bool{}
	for _, cluster := range []string{"c1", "c2"} {
		for _, partition := range []int32{0, 1} {
			id, err := partitionIdentity(cluster, topic, partition)
			must(t, err)
			seen[id.place(true).ID] = true
		}
		whole, err := topicIdentity(cluster, topic)
		must(t, err)
		seen[whole.place(true).ID] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d places of 6", len(seen))
	}
}

func TestKafkaConnOptions(t *testing.T) {
	t.Chdir(t.TempDir())
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	certificate, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, key.Public(), key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	writeFile(t, "cert", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	writeFile(t, "key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	writeFile(t, "none", []byte("nothing"))
	writeFile(t, "p", []byte("pass word\r\n"))
	must(t, os.WriteFile("wide", []byte("secret"), 0o600))
	must(t, os.Chmod("wide", 0o644))

	var logged strings.Builder
	log := slog.New(slog.NewTextHandler(&logged, nil))
	c := kafkaConn{brokers: "a:1,b", tls: true, ca: "cert", cert: "cert", key: "key", sasl: "plain", user: "u", passwordFile: "p"}
	o, err := c.options(log)
	must(t, err)
	if len(o.Brokers) != 2 || o.TLS.RootCAs == nil || len(o.TLS.Certificates) != 1 || o.TLS.MinVersion == 0 || o.SASL.Name() != "PLAIN" || logged.Len() > 0 {
		t.Errorf("got %+v; %s", o, logged.String())
	}
	if _, token, err := o.SASL.Start(t.Context()); err != nil || string(token) != "\x00u\x00pass word" {
		t.Errorf("the password is read as %q, %v", token, err)
	}
	for want, c := range map[string]kafkaConn{
		"shows the password":         {sasl: "plain", user: "u", passwordFile: "p"},
		"can be read by others":      {sasl: "scram-sha-256", user: "u", passwordFile: "wide"},
		"":                           {sasl: "scram-sha-512", user: "u", passwordFile: "p"},
		"password: open no":          {sasl: "plain", user: "u", passwordFile: "no"},
		"ca: open no":                {tls: true, ca: "no"},
		"ca: none: no certificate":   {tls: true, ca: "none"},
		"cert: tls: failed to find ": {tls: true, cert: "none", key: "none"},
	} {
		logged.Reset()
		_, err := c.options(log)
		said := logged.String()
		if err != nil {
			said += err.Error()
		}
		if !strings.Contains(said, want) || want == "" && said != "" || strings.Contains(said, "secret") || strings.Contains(said, "pass word") {
			t.Errorf("%+v: got %q, want %q in it", c, said, want)
		}
	}
	if o, err := (&kafkaConn{brokers: "a"}).options(log); err != nil || o.TLS != nil || o.SASL != nil {
		t.Errorf("got %+v, %v", o, err)
	}
}
