package kafka

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestSinkChecks: what a destination could not take is said before the first
// record.
func TestSinkChecks(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 3)
	b.destination("few", 2)
	b.topic("small", 3)
	if err := b.CreateTopic("smaller", 3, map[string]string{"max.message.bytes": strconv.Itoa(defaultMaxBatch - 512)}); err != nil {
		t.Fatal(err)
	}
	b.destination("fits", 3)
	c := b.connect(nil)
	other := startBroker(t, kfake.ClusterID("another"))
	far := other.connect(nil)
	tests := []struct {
		name    string
		cluster *cluster.Cluster
		options SinkOptions
		want    string // of the error; "" for none
		exactly bool
	}{
		{"fits", c, SinkOptions{Topic: "fits"}, "", true},
		{"at least once", c, SinkOptions{Topic: "fits", Delivery: AtLeastOnce}, "", false},
		{"missing", c, SinkOptions{Topic: "none"}, "no such topic; make it, or say create=true", false},
		{"itself", c, SinkOptions{Topic: "in"}, "it is the source as well", false},
		{"few partitions", c, SinkOptions{Topic: "few"}, "too few partitions: it has 2 and the source has 3", false},
		{"few partitions by key", c, SinkOptions{Topic: "few", Partition: ByKey}, "", true},
		{"few partitions for letters", c, SinkOptions{Topic: "few", DeadLetters: true}, "", false},
		{"small records", c, SinkOptions{Topic: "small", Growth: 512}, "--add-config max.message.bytes=1049100", false},
		{"no growth", c, SinkOptions{Topic: "small"}, "", true},
		{"records that shrink", c, SinkOptions{Topic: "smaller", Growth: -512}, "", true},
		{"records that do not shrink enough", c, SinkOptions{Topic: "smaller", Growth: -511}, "max.message.bytes is too small", false},
		{"small records for letters", c, SinkOptions{Topic: "small", DeadLetters: true}, "", false},
		{"created", c, SinkOptions{Topic: "new", Create: true}, "", true},
		{"other cluster", far, SinkOptions{Topic: "new", Create: true}, "", false},
		{"exactly once elsewhere", far, SinkOptions{Topic: "new", Delivery: ExactlyOnce}, "exactly-once is not possible: the source is in another cluster", false},
		{"exactly once made for nothing", far, SinkOptions{Topic: "nothing", Create: true, Delivery: ExactlyOnce}, "exactly-once is not possible", false},
		{"no name", c, SinkOptions{Topic: "a/b"}, "not a topic name", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := test.options
			o.Source = b.source(c, SourceOptions{Topic: "in", Group: "g"})
			s, err := NewSink(t.Context(), test.cluster, o)
			switch {
			case test.want == "" && err != nil:
				t.Fatal(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Fatalf("got %v, want %s", err, test.want)
			case err == nil && s.ExactlyOnce() != test.exactly:
				t.Errorf("exactly once is %t", s.ExactlyOnce())
			}
		})
	}
	if n := len(b.PartitionInfos("new")); n != 3 {
		t.Errorf("the topic was created with %d partitions", n)
	}
	if n := len(other.PartitionInfos("nothing")); n != 0 {
		t.Error("a topic was made that is not used")
	}
	if n := len(other.PartitionInfos("new")); n != 3 {
		t.Errorf("the far topic was created with %d partitions", n)
	}
}

// TestTwoSinks: positions can go with the transactions of one Sink only.
func TestTwoSinks(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g"})
	b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})
	if _, err := NewSink(t.Context(), c, SinkOptions{Topic: "out2", Source: src, Create: true}); err == nil {
		t.Error("a second sink was accepted")
	}
}

// TestTooLarge: Check says beforehand what the topic would refuse, and nothing
// that it would take.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	if err := b.CreateTopic("out", 1, map[string]string{"max.message.bytes": "2000"}); err != nil {
		t.Fatal(err)
	}
	c := b.connect(nil)
	s := b.sink(c, SinkOptions{Topic: "out"})
	m := pipeline.Message{Key: []byte("key"), Headers: []pipeline.Header{{Name: "h", Value: make([]byte, 100)}}}
	var refused *pipeline.Reject
	if err := s.Check(&m, 2000); !errors.As(err, &refused) || refused.Reason != "too-large" {
		t.Errorf("got %v", err)
	}
	largest := 0
	for n := range 2000 {
		if s.Check(&m, n) == nil {
			largest = n
		}
	}
	if largest < 1700 {
		t.Errorf("no more than %d bytes are accepted", largest)
	}
	m.Value = bytes.Repeat([]byte("x"), largest)
	w, err := s.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	// Several of them are one write and more than one batch.
	if err := w.Write(t.Context(), []pipeline.Message{m, m, m}, nil); err != nil {
		t.Fatal(err)
	}
	if got := b.committed("out"); len(got) != 3 {
		t.Errorf("%d messages are stored", len(got))
	}
	m.Value = append(m.Value, make([]byte, 300)...)
	if err := w.Write(t.Context(), []pipeline.Message{m}, nil); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
}

func TestSourceChecks(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 2)
	c := b.connect(nil)
	tests := []struct {
		options SourceOptions
		want    string
	}{
		{SourceOptions{Topic: "none", Group: "g"}, "no such topic"},
		{SourceOptions{Group: "g"}, "not a topic name"},
		{SourceOptions{Topic: "in"}, "no group"},
		{SourceOptions{Topic: "in", Group: "g", Start: Start{New: true, Offset: 3}}, "more than one start"},
		{SourceOptions{Topic: "in", Group: "g", Start: Start{New: true}, Until: Until{End: true}}, "has no end"},
		{SourceOptions{Topic: "in", Group: "g", Until: Until{End: true, Offset: 3}}, "more than one end"},
		{SourceOptions{Topic: "in", Group: "g", Partitions: []int32{1}}, "cannot choose its partitions"},
		{SourceOptions{Topic: "in", Group: "g", Partitions: []int32{2}, Until: Until{End: true}}, "no partition 2"},
		{SourceOptions{Topic: "in", Group: "g", Workers: -1}, "-1 workers"},
	}
	for _, test := range tests {
		if _, err := NewSource(t.Context(), c, test.options); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %s", test.options, err, test.want)
		}
	}
}

// TestOverTLS: a group's connections are encrypted as well.
func TestOverTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil) // for its certificate
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	b := startBroker(t, kfake.TLS(&tls.Config{Certificates: server.TLS.Certificates, MinVersion: tls.VersionTLS12}))
	b.tls = &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12}
	b.topic("in", 1)
	b.put("in", 1, numbered(0, 10))
	r := b.member("a", ExactlyOnce)
	b.eventually("the messages", b.caughtUp)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}
