package kafka

import (
	"log/slog"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestEpochs: the epoch of a position is that of the record before it.
func TestEpochs(t *testing.T) {
	t.Parallel()
	var e epochs
	e.begin("in/0", 3)
	for _, batch := range []struct {
		epoch int32
		first int64
	}{{3, 10}, {3, 20}, {5, 30}, {-1, 35}, {6, 40}} {
		e.note("in/0", batch.epoch, batch.first)
	}
	for next, want := range map[int64]int32{0: 3, 10: 3, 30: 3, 31: 5, 40: 5, 41: 6, 1000: 6} {
		if got := e.at("in/0", next, false); got != want {
			t.Errorf("before %d: epoch %d, want %d", next, got, want)
		}
	}
	if e.at("in/0", 35, true) != 5 || len(e.all["in/0"]) != 2 || e.at("in/0", 41, true) != 6 {
		t.Errorf("after a commit: %v", e.all)
	}
	if got := e.at("in/1", 10, false); got != -1 {
		t.Errorf("a partition that was never read: epoch %d", got)
	}
}

// TestCutLog: a log that was cut since the last run is read from where it was
// cut; the records there are others. A log that was cut in a run that reads it
// loses its lane, which begins again.
func TestCutLog(t *testing.T) {
	t.Parallel()
	const cut = 15
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(0, 20))
	run := func() *Source {
		src := b.source(b.connect(nil), SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
		if err := finish(t, pipeline.Options{Source: src, Sink: b.sink(src.cluster, SinkOptions{Topic: "out", Source: src, Create: true})}); err != nil {
			t.Fatal(err)
		}
		return src
	}
	run()
	asked := 0
	b.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		p := kreq.(*kmsg.OffsetForLeaderEpochRequest).Topics[0].Partitions[0]
		if asked++; asked > 1 {
			return nil, nil, false
		}
		if p.LeaderEpoch != 0 || p.CurrentLeaderEpoch != 0 {
			t.Errorf("the question is %+v", p)
		}
		res := kreq.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
		topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
		answer := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
		topic.Topic, answer.EndOffset, answer.LeaderEpoch = "in", cut, 0
		topic.Partitions = append(topic.Partitions, answer)
		res.Topics = append(res.Topics, topic)
		return res, nil, true
	})
	b.put("in", 1, numbered(20, 5))
	src := run()
	if _, lost := src.Losses(); lost["in/0"] != 5 {
		t.Errorf("%v were lost", lost)
	}
	got := b.committed("out")
	if len(got) != 30 {
		t.Fatalf("%d messages", len(got))
	}
	for i := range got {
		want := i
		if i >= 20 {
			want = i - 20 + cut
		}
		if n := number(&got[i]); n != want {
			t.Errorf("message %d is number %d, want %d", i, n, want)
		}
	}
	if at := b.offsetOf("g", "in", 0); at != 25 {
		t.Errorf("the group is at %d", at)
	}
}

// TestOffsetsOfAnother: the offsets of a topic that was deleted and made anew,
// which brokers may keep, are no positions in the new one.
func TestOffsetsOfAnother(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(0, 20))
	c := b.connect(nil)
	metadata, err := cluster.AppendMetadata(nil, cluster.SourceHash{1}, &pipeline.Position{Place: "in/0", Next: 12, Last: 11})
	if err != nil {
		t.Fatal(err)
	}
	stale := []cluster.Offset{{Topic: "in", Next: 12, LeaderEpoch: -1, Metadata: string(metadata)}}
	if err := c.CommitOffsets(t.Context(), cluster.NoMember("g"), stale); err != nil {
		t.Fatal(err)
	}
	r := b.member("a", ExactlyOnce)
	b.eventually("the messages", b.caughtUp)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if err := onceInOrder(b.committed("out"), 20); err != nil {
		t.Error(err)
	}
}

// TestTailIsGone: a run ends although the last records before its end are gone,
// as after compaction, and its group is at the end. Only an answer to a
// question about the partition alone counts, and none of a broker that is over
// its quota.
func TestTailIsGone(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 2)
	b.put("in", 2, numbered(0, 20))
	var alone, throttled int
	b.ControlKey(int16(kmsg.Fetch), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		req := kreq.(*kmsg.FetchRequest)
		if len(req.Topics) != 1 || req.Topics[0].Topic != "in" {
			return nil, nil, false
		}
		for _, p := range req.Topics[0].Partitions {
			if p.FetchOffset < 8 {
				return nil, nil, false
			}
		}
		res := kreq.ResponseKind().(*kmsg.FetchResponse)
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic = "in"
		for _, p := range req.Topics[0].Partitions {
			answer := kmsg.NewFetchResponseTopicPartition()
			answer.Partition, answer.HighWatermark, answer.LastStableOffset = p.Partition, 10, 10
			topic.Partitions = append(topic.Partitions, answer)
		}
		res.Topics = append(res.Topics, topic)
		if len(topic.Partitions) == 1 {
			if alone++; alone%2 == 1 {
				throttled++
				res.ThrottleMillis = 1
			}
		}
		return res, nil, true
	})
	src := b.source(b.connect(nil), SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}, OneLane: true})
	for i := range src.untilOffsets {
		src.untilOffsets[i] = 8
	}
	sink := b.sink(src.cluster, SinkOptions{Topic: "out", Source: src, Create: true})
	if err := finish(t, pipeline.Options{Source: src, Sink: sink}); err != nil {
		t.Fatal(err)
	}
	src = b.source(b.connect(nil), SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}, OneLane: true})
	if err := finish(t, pipeline.Options{Source: src, Sink: b.sink(src.cluster, SinkOptions{Topic: "out", Source: src})}); err != nil {
		t.Fatal(err)
	}
	if a, z := b.offsetOf("g", "in", 0), b.offsetOf("g", "in", 1); a != 10 || z != 10 {
		t.Errorf("the group is at %d and %d", a, z)
	}
	if n := len(b.committed("out")); n != 16 || alone < 4 || throttled < 2 {
		t.Errorf("%d messages, %d answers about one partition, %d of them throttled", n, alone, throttled)
	}
}

// TestUpgrade: an offset of a version whose metadata had no source holds, and
// the state in it counts as none.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(0, 20))
	log := new(logged)
	c := b.connect(nil)
	// version 1, last = next - 1, and a state of that version's Gate
	earlier := []cluster.Offset{{Topic: "in", Next: 12, LeaderEpoch: -1, Metadata: "AQEBAgMEBQ"}}
	if err := c.CommitOffsets(t.Context(), cluster.NoMember("g"), earlier); err != nil {
		t.Fatal(err)
	}
	src := b.source(c, SourceOptions{
		Topic: "in", Group: "g", Until: Until{End: true}, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	positions, _, err := src.findPositions(t.Context(), fixedOwner(cluster.NoMember("g")), []int32{0}, isFresh)
	if err != nil || positions[0].Next != 12 || positions[0].Last != -1 || positions[0].State != nil {
		t.Errorf("the position is %+v, %v", positions, err)
	}
	if !log.has("level=WARN", "state of a partition is not known", "in/0@12") {
		t.Errorf("nothing was said:\n%s", log)
	}
	if err := finish(t, pipeline.Options{Source: src, Sink: b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})}); err != nil {
		t.Fatal(err)
	}
	if got := b.committed("out"); len(got) != 8 || number(&got[0]) != 12 {
		t.Errorf("%d messages", len(got))
	}
}
