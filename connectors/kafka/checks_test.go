package kafka

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestSinkChecks: what a destination could not take is said before the first record.
func TestSinkChecks(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 3)
	b.destination("few", 2)
	b.topic("small", 3)
	b.destination("fits", 3)
	c := b.connect(nil)
	other := startBroker(t, kfake.ClusterID("another"))
	far := other.connect(nil)
	tests := []struct {
		name    string
		cluster *Cluster
		options SinkOptions
		want    string // of the error; "" for none
		exactly bool
	}{
		{"fits", c, SinkOptions{Topic: "fits"}, "", true},
		{"at least once", c, SinkOptions{Topic: "fits", Delivery: AtLeastOnce}, "", false},
		{"missing", c, SinkOptions{Topic: "none"}, "no such topic; make it, or say create=true", false},
		{"itself", c, SinkOptions{Topic: "in"}, "it is the source as well", false},
		{"few partitions", c, SinkOptions{Topic: "few"}, "2 partitions and the source has 3", false},
		{"few partitions by key", c, SinkOptions{Topic: "few", Partition: ByKey}, "", true},
		{"few partitions for letters", c, SinkOptions{Topic: "few", DeadLetters: true}, "", false},
		{"small records", c, SinkOptions{Topic: "small"}, "--add-config max.message.bytes=1049100", false},
		{"small records for letters", c, SinkOptions{Topic: "small", DeadLetters: true}, "", false},
		{"created", c, SinkOptions{Topic: "new", Create: true}, "", true},
		{"other cluster", far, SinkOptions{Topic: "new", Create: true}, "", false},
		{"exactly once elsewhere", far, SinkOptions{Topic: "new", Delivery: ExactlyOnce}, "exactly-once is not possible: the source is in another cluster", false},
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

// TestTooLarge: Check says beforehand what the topic would refuse, and nothing that it would take.
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

// TestConnectErrors: what is wrong with the way to the cluster is said at once.
func TestConnectErrors(t *testing.T) {
	t.Parallel()
	t.Run("password", func(t *testing.T) {
		t.Parallel()
		for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
			b := startBroker(t, kfake.EnableSASL(), kfake.Superuser(strings.ToUpper(mechanism), "joe", "right"))
			connect := func(password string) error {
				m, err := Mechanism(mechanism, "joe", password)
				if err != nil {
					t.Fatal(err)
				}
				c, err := Connect(t.Context(), ClusterOptions{Brokers: b.ListenAddrs(), SASL: m, Log: quiet})
				if err == nil {
					c.Close()
				}
				return err
			}
			if err := connect("right"); err != nil {
				t.Errorf("%s: %v", mechanism, err)
			}
			before := time.Now()
			err := connect("wrong")
			if err == nil || strings.Contains(err.Error(), "wrong\"") {
				t.Errorf("%s: got %v", mechanism, err)
			}
			if time.Since(before) > connectPatience/2 {
				t.Errorf("%s: it was tried again: %v", mechanism, err)
			}
		}
	})
	t.Run("tls", func(t *testing.T) {
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
		if _, err := Connect(t.Context(), ClusterOptions{Brokers: b.ListenAddrs(), Log: quiet}); !errors.Is(err, errHungUp) {
			t.Errorf("without TLS: %v", err)
		}
		strangers := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
		before := time.Now()
		if _, err := Connect(t.Context(), ClusterOptions{Brokers: b.ListenAddrs(), TLS: strangers, Log: quiet}); err == nil {
			t.Error("an unknown certificate was accepted")
		}
		if time.Since(before) > connectPatience/2 {
			t.Error("an unknown certificate was tried again")
		}
	})
	t.Run("old", func(t *testing.T) {
		t.Parallel()
		b := startBroker(t, kfake.MaxVersions(kversion.V2_3_0()))
		_, err := Connect(t.Context(), ClusterOptions{Brokers: b.ListenAddrs(), Log: quiet})
		var version *wire.VersionError
		if !errors.As(err, &version) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("options", func(t *testing.T) {
		t.Parallel()
		for _, brokers := range [][]string{nil, {""}, {":9092"}, {"a:b:c:9"}} {
			if _, err := Connect(t.Context(), ClusterOptions{Brokers: brokers}); err == nil {
				t.Errorf("%q was accepted", brokers)
			}
		}
	})
}

// TestActiveGroup: a bounded run leaves a group alone that has members.
func TestActiveGroup(t *testing.T) {
	t.Parallel()
	for name, delivery := range map[string]Delivery{"exactly once": ExactlyOnce, "at least once": AtLeastOnce} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			b.topic("in", 1)
			b.put("in", 1, numbered(0, 10))
			r := b.member("a", delivery)
			b.eventually("the member", b.caughtUp)
			c := b.connect(nil)
			src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
			sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Delivery: delivery})
			if err := finish(t, pipeline.Options{Source: src, Sink: sink}); !errors.Is(err, ErrGroupActive) {
				t.Errorf("got %v", err)
			}
			if err := r.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTakenOver: a run whose transactional ids another one has taken does not take them back.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(0, 300))
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
	src.timing.transaction = 0
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})
	var seen atomic.Int64
	b.ControlKey(int16(kmsg.TxnOffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		if seen.Add(1) == 3 {
			b.SleepControl(func() {
				again := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
				if err := newProducer(c, again.transactionalID(0), time.Second).begin(t.Context(), true); err != nil {
					t.Error(err)
				}
			})
		}
		return nil, nil, false
	})
	b.Fault(kfake.Fault{ // as brokers do; kfake lets a producer in that knows an older epoch
		Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.ProducerFenced, Count: -1,
		When: func(req kmsg.Request) bool { return req.(*kmsg.InitProducerIDRequest).ProducerID >= 0 },
	})
	if err := finish(t, pipeline.Options{Source: src, Sink: sink, ReadAhead: 8 << 10}); !errors.Is(err, ErrTakenOver) {
		t.Errorf("got %v", err)
	}
	if n := len(b.committed("out")); int64(n) != b.offsetOf("g", "in", 0) || n == 0 {
		t.Errorf("%d messages, and the group is at %d", n, b.offsetOf("g", "in", 0))
	}
}

// TestBounds: a bounded run begins and ends where it is told to.
func TestBounds(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 2)
	base := time.UnixMilli(1_700_000_000_000)
	msgs := numbered(0, 100) // 50 in each partition
	for i := range msgs {
		msgs[i].Time = base.Add(time.Duration(i) * time.Second)
	}
	b.put("in", 2, msgs)
	c := b.connect(nil)
	tests := []struct {
		name        string
		start       Start
		until       Until
		partitions  []int32
		first, last int
		count       int
	}{
		{"all", Start{}, Until{End: true}, nil, 0, 99, 100},
		{"offsets", Start{Offset: 10}, Until{Offset: 20}, nil, 20, 39, 20},
		{"times", Start{Time: base.Add(30 * time.Second)}, Until{Time: base.Add(60 * time.Second)}, nil, 30, 59, 30},
		{"later", Start{Time: base.Add(time.Hour)}, Until{End: true}, nil, 0, 0, 0},
		{"a partition", Start{}, Until{End: true}, []int32{1, 1}, 1, 99, 50},
		{"beyond", Start{Offset: 1000}, Until{Offset: 2000}, nil, 0, 0, 0},
	}
	for i, test := range tests {
		for _, group := range []string{"", "g" + strconv.Itoa(i)} {
			out := "out" + group + strconv.Itoa(i)
			src := b.source(c, SourceOptions{
				Topic: "in", Group: group, Start: test.start, Until: test.until, Partitions: test.partitions,
			})
			sink := b.sink(c, SinkOptions{Topic: out, Source: src, Create: true})
			if sink.ExactlyOnce() != (group != "") {
				t.Errorf("exactly once is %t with group %q", sink.ExactlyOnce(), group)
			}
			for range 2 {
				if err := finish(t, pipeline.Options{Source: src, Sink: sink}); err != nil {
					t.Fatalf("%s: %v", test.name, err)
				}
				if group == "" {
					break // it would begin again
				}
			}
			got := b.committed(out)
			if len(got) != test.count {
				t.Errorf("%s, group %q: %d messages, want %d", test.name, group, len(got), test.count)
			}
			for k := range got {
				if n := number(&got[k]); n < test.first || n > test.last {
					t.Errorf("%s, group %q: message %d is out of bounds", test.name, group, n)
				}
			}
		}
	}
}

// TestStartNew: what is written while the first lane has committed nothing is not lost with the lane.
func TestStartNew(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(100, 10))
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Start: Start{New: true}})
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})
	r := start(t, pipeline.Options{Source: src, Sink: sink})
	b.eventually("the first offset", func() bool { i := b.GroupInfo("g"); return i != nil && i.Commits["in"][0].Offset == 10 })
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	b.put("in", 1, numbered(0, 10))
	r2 := b.member("a", ExactlyOnce)
	b.eventually("the rest", b.caughtUp)
	if err := r2.stop(); err != nil {
		t.Error(err)
	}
	if err := onceInOrder(b.committed("out"), 10); err != nil {
		t.Error(err)
	}
}

// TestDeletedRecords: records that retention took before they were read are skipped and said.
func TestDeletedRecords(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(0, 20))
	c := b.connect(nil)
	if err := c.commitOffsets(t.Context(), nobody("g"), "in", []offset{{next: 5}}); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteRecords("in", 0, 12); err != nil {
		t.Fatal(err)
	}
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})
	if err := finish(t, pipeline.Options{Source: src, Sink: sink}); err != nil {
		t.Fatal(err)
	}
	if got := b.committed("out"); len(got) != 8 || number(&got[0]) != 12 {
		t.Errorf("%d messages", len(got))
	}

	// An offset beyond the end is another topic's, or a truncated one's.
	if err := c.commitOffsets(t.Context(), nobody("h"), "in", []offset{{next: 500}}); err != nil {
		t.Fatal(err)
	}
	src = b.source(c, SourceOptions{Topic: "in", Group: "h", Until: Until{End: true}})
	src.ends = []int64{600}
	if err := finish(t, pipeline.Options{Source: src, Sink: b.sink(c, SinkOptions{Topic: "out", Source: src})}); err == nil || !strings.Contains(err.Error(), "in/0@500") {
		t.Errorf("got %v", err)
	}
}
