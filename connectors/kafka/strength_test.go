package kafka

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestCreateAsStrong: a topic that is made has the source's settings, and each
// is told.
func TestCreateAsStrong(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	err := b.CreateTopic("in", 3, map[string]string{
		"retention.ms": "-1", "cleanup.policy": "compact", "min.insync.replicas": "1", "retention.bytes": "1000",
		"max.message.bytes": "200000", "message.timestamp.type": "LogAppendTime",
	})
	if err != nil {
		t.Fatal(err)
	}
	log := new(logged)
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g"})
	for name, want := range map[string]map[string]string{
		"out": {
			"retention.ms": "-1", "cleanup.policy": "compact", "min.insync.replicas": "1", "retention.bytes": "4000",
			"max.message.bytes": "200512", "message.timestamp.type": "",
		},
		"letters": {"retention.ms": "-1", "cleanup.policy": "delete", "max.message.bytes": ""},
	} {
		o := SinkOptions{
			Topic: name, Source: src, Create: true, DeadLetters: name == "letters", Growth: 512,
			Log: slog.New(slog.NewTextHandler(log, nil)),
		}
		if _, err := NewSink(t.Context(), c, o); err != nil {
			t.Fatal(err)
		}
		settings, err := c.ReadSettings(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for setting, value := range want {
			if got := settings[setting]; got.Own != (value != "") || got.Own && got.Value != value {
				t.Errorf("%s: %s is %+v, want %q", name, setting, got, value)
			}
			if value != "" && !log.has("topic="+name, setting+"="+value) {
				t.Errorf("%s: nothing was told of %s", name, setting)
			}
		}
	}
}

// TestDeletesEarly: a destination that would delete what it is given is refused
// before anything is read, unless that is accepted or the records were carried
// before.
func TestDeletesEarly(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	if err := b.CreateTopic("in", 2, map[string]string{"retention.ms": "-1"}); err != nil {
		t.Fatal(err)
	}
	old := numbered(0, 20)
	for i := range old {
		old[i].Time = time.Now().Add(-30 * 24 * time.Hour)
	}
	b.put("in", 2, old)
	young := numbered(20, 4)
	for i := range young {
		young[i].Time = time.Now()
	}
	b.put("in", 2, young)
	for name, config := range map[string]map[string]string{
		"week": {"retention.ms": "604800000"}, "ever": {"retention.ms": "-1"}, "year": {"retention.ms": "31536000000"},
		"compacted": {"cleanup.policy": "compact"}, "both": {"cleanup.policy": "compact,delete", "retention.ms": "-1"},
	} {
		config["max.message.bytes"] = "1100000"
		if err := b.CreateTopic(name, 2, config); err != nil {
			t.Fatal(err)
		}
	}
	c := b.connect(nil)
	behind := []cluster.Offset{{Topic: "in", Partition: 0, Next: 10, LeaderEpoch: -1}, {Topic: "in", Partition: 1, Next: 10, LeaderEpoch: -1}}
	if err := c.CommitOffsets(t.Context(), cluster.NoMember("behind"), behind); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		topic, group string
		start        Start
		accept       bool
		want         string
	}{
		{"week", "new", Start{}, false, "retention.ms is 168h0m0s, and in/0 has older records"},
		{"week", "new", Start{}, true, ""},
		{"week", "behind", Start{}, false, ""},
		{"week", "new", Start{New: true}, false, ""},
		{"year", "new", Start{}, false, ""},
		{"ever", "new", Start{}, false, ""},
		{"compacted", "behind", Start{}, false, "it is compacted and the source is not"},
		{"compacted", "behind", Start{}, true, ""},
		{"both", "new", Start{}, false, "it is compacted and the source is not"},
	} {
		src := b.source(c, SourceOptions{Topic: "in", Group: test.group, Start: test.start})
		_, err := NewSink(t.Context(), c, SinkOptions{Topic: test.topic, Source: src, Expired: test.accept, Log: quiet})
		if errors.Is(err, ErrDeletesEarly) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v", test, err)
		}
	}
}

// TestOversize: records that a destination does not take are rejected one by
// one where that was said, and one that fills its limit exactly is taken.
func TestOversize(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	if err := b.CreateTopic("small", 1, map[string]string{"max.message.bytes": "2000"}); err != nil {
		t.Fatal(err)
	}
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
	if _, err := NewSink(t.Context(), c, SinkOptions{Topic: "small", Source: src}); !errors.Is(err, ErrSmallRecords) {
		t.Errorf("got %v", err)
	}
	sink := b.sink(c, SinkOptions{Topic: "small", Source: src, Oversize: true})
	m := pipeline.Message{Key: []byte("key"), Time: time.Now(), Headers: []pipeline.Header{{Name: "h", Value: []byte("v")}}}
	largest := 0
	for size := range 2100 {
		m.Value = make([]byte, size)
		if sink.Check(&m, size) == nil {
			largest = size
		}
	}
	b.put("in", 1, []pipeline.Message{{Key: m.Key, Time: m.Time, Headers: m.Headers, Value: make([]byte, largest)}})
	src = b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
	sink = b.sink(c, SinkOptions{Topic: "small", Source: src, Oversize: true})
	if err := finish(t, pipeline.Options{Source: src, Sink: sink}); err != nil {
		t.Error(err)
	}
	// 61 bytes of the batch; 2 of the record's length, 3 before the key, 1 + 3,
	// 2 before the value, 1 + 1 + 1 + 1 + 1 of headers.
	if want := 2000 - 61 - 2 - 3 - 4 - 2 - 5; largest != want {
		t.Errorf("the largest value has %d bytes, want %d", largest, want)
	}
}
