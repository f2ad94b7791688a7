package kafka

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestMurmur2 has the vectors of Kafka's own UtilsTest.
func TestMurmur2(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string":                       -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := int32(murmur2([]byte(text))); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}

// TestMurmur2AsKafkaGo compares with kafka-go's partitioner, which compares
// itself with the Java client's.
func TestMurmur2AsKafkaGo(t *testing.T) {
	t.Parallel()
	partitions := make([]int, 17)
	for i := range partitions {
		partitions[i] = i
	}
	p := partitioner{by: ByKey, partitions: int32(len(partitions))}
	for i := range 1000 {
		key := []byte(strings.Repeat("k", i%13) + fmt.Sprint(i*i))
		got, err := p.choosePartition(&pipeline.Message{Key: key})
		want := kafkago.Murmur2Balancer{}.Balance(kafkago.Message{Key: key}, partitions...)
		if err != nil || int(got) != want {
			t.Fatalf("%q: got %d, want %d", key, got, want)
		}
	}
}

func TestPartitioner(t *testing.T) {
	t.Parallel()
	at := func(place string) pipeline.Message { return pipeline.Message{Origin: pipeline.Origin{Place: place}} }
	keyed := at("in/2")
	keyed.Key = []byte("21")
	empty := at("in/2")
	empty.Key = []byte{}
	hashed := int32(murmur2([]byte("21"))&0x7fffffff) % 4
	tests := []struct {
		name string
		p    partitioner
		m    pipeline.Message
		want int32 // -1: an error
	}{
		{"same", partitioner{partitions: 4, kafka: true}, keyed, 2},
		{"beyond", partitioner{partitions: 2, kafka: true}, keyed, -1},
		{"folded", partitioner{partitions: 2, kafka: true, fold: true}, at("in/7"), 1},
		{"by key", partitioner{partitions: 4, kafka: true, by: ByKey}, keyed, hashed},
		{"by empty key", partitioner{partitions: 4, kafka: true, by: ByKey}, empty, int32(murmur2(nil)&0x7fffffff) % 4},
		{"by key, null", partitioner{partitions: 4, kafka: true, by: ByKey}, at("in/6"), 2},
		{"not from Kafka", partitioner{partitions: 4}, keyed, hashed},
		{"not from Kafka, null", partitioner{partitions: 4, keyless: 3}, at("in/1"), 3},
	}
	for _, test := range tests {
		got, err := test.p.choosePartition(&test.m)
		if err != nil {
			got = -1
		}
		if got != test.want {
			t.Errorf("%s: got %d, want %d (%v)", test.name, got, test.want, err)
		}
	}
}

func TestDeal(t *testing.T) {
	t.Parallel()
	leaderOf := func(leaders ...int32) func(int32) int32 { return func(p int32) int32 { return leaders[p] } }
	tests := []struct {
		name       string
		partitions []int32
		leaders    []int32
		workers    int
		want       [][]int32
	}{
		{"none", nil, nil, 4, nil},
		{"one", []int32{0}, []int32{1}, 4, [][]int32{{0}}},
		{"more workers than partitions", []int32{0, 1}, []int32{1, 1}, 4, [][]int32{{0}, {1}}},
		{"one leader", []int32{3, 2, 1, 0}, []int32{1, 1, 1, 1}, 2, [][]int32{{0, 2}, {1, 3}}},
		{"more leaders than workers", []int32{0, 1, 2}, []int32{3, 1, 2}, 1, [][]int32{{1}, {2}, {0}}},
		{"a busy leader", []int32{0, 1, 2, 3, 4}, []int32{1, 1, 1, 1, 2}, 3, [][]int32{{0, 2}, {1, 3}, {4}}},
		{"no leader yet", []int32{0, 1}, []int32{-1, 1}, 1, [][]int32{{0}, {1}}},
	}
	for _, test := range tests {
		var got [][]int32
		for i, s := range dealPartitions(test.partitions, leaderOf(test.leaders...), test.workers) {
			if s.number != i {
				t.Errorf("%s: lane %d has number %d", test.name, i, s.number)
			}
			got = append(got, s.partitions)
		}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

// TestPending: the latest position of a place counts, and what could not be
// sent does not override it.
func TestPending(t *testing.T) {
	t.Parallel()
	state := []byte("a")
	var p, older pending
	older.addProgress(&pipeline.Progress{Places: []pipeline.Position{{Place: "in/0", Next: 1}, {Place: "in/2", Next: 5, Last: 4, State: state}}})
	p.addProgress(&pipeline.Progress{Places: []pipeline.Position{{Place: "in/1", Next: 7}, {Place: "in/0", Next: 3}}})
	p.addOlder(&older)
	older.clearMoved()
	state[0] = 'b' // it was lent
	got, err := p.appendOffsets(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct{ partition, next int64 }{{1, 7}, {0, 3}, {2, 5}}
	for i, w := range want {
		if i >= len(got) || int64(got[i].Partition) != w.partition || got[i].Next != w.next {
			t.Fatalf("got %+v, want %v", got, want)
		}
	}
	back := pipeline.Position{Place: "in/2", Next: 5}
	if err := cluster.ParseMetadata(&back, cluster.SourceHash{}, got[2].Metadata); err != nil || string(back.State) != "a" || back.Last != 4 {
		t.Errorf("got %+v, %v", back, err)
	}
	p.clearMoved()
	if !p.isEmpty() || !older.isEmpty() {
		t.Error("settled positions are still pending")
	}
}

// TestPeekNothing: a destination may have no partitions yet, as far as the
// broker that was asked knows.
func TestPeekNothing(t *testing.T) {
	to := &destination{Topic: new(cluster.Cluster).NewTopic("out")}
	all, err := new(peekedTopic).open(t.Context(), &Sink{}, to)
	if len(all) > 0 || err != nil {
		t.Errorf("%d peekers, %v", len(all), err)
	}
}

// TestGiveUp: a run with an end waits for a transaction at least as long as
// brokers let one last.
func TestGiveUp(t *testing.T) {
	for wait, want := range map[time.Duration]time.Duration{
		-1: 16 * time.Minute, 0: 16 * time.Minute, 15 * time.Minute: 16 * time.Minute, time.Hour: 61 * time.Minute,
	} {
		if got := newTiming(wait).giveUp; got != want {
			t.Errorf("with a wait of %v: %v", wait, got)
		}
	}
}
