package route

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafkaBroker is a cluster in this process, with a client that is not ours.
type kafkaBroker struct {
	*kfake.Cluster
	url string
}

func startKafka(t *testing.T, opts ...kfake.Opt) *kafkaBroker {
	t.Helper()
	opts = append([]kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second)}, opts...)
	c, err := kfake.NewCluster(opts...)
	must(t, err)
	t.Cleanup(c.Close)
	return &kafkaBroker{c, "kafka://" + strings.Join(c.ListenAddrs(), ",")}
}

func (b *kafkaBroker) topic(t *testing.T, name string, partitions int32, config map[string]string) {
	t.Helper()
	must(t, b.CreateTopic(name, partitions, config))
}

// clusterID asks for the cluster's id.
func (b *kafkaBroker) clusterID(t *testing.T) string {
	t.Helper()
	res, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), b.client(t))
	must(t, err)
	return *res.ClusterID
}

func (b *kafkaBroker) client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.ListenAddrs()...)}, opts...)...)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// put writes records to the partitions that they name.
func (b *kafkaBroker) put(t *testing.T, records ...*kgo.Record) {
	t.Helper()
	c := b.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(2<<20))
	must(t, c.ProduceSync(t.Context(), records...).FirstErr())
	c.Close()
}

// read returns what a consumer of committed records sees of a topic, by
// partition and in order.
func (b *kafkaBroker) read(t *testing.T, topic string) [][]*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	infos := b.PartitionInfos(topic)
	out := make([][]*kgo.Record, len(infos))
	left := map[int32]int64{}
	starts := map[int32]kgo.Offset{}
	for _, p := range infos {
		starts[p.Partition] = kgo.NewOffset().AtStart()
		if p.HighWatermark > p.LogStartOffset {
			left[p.Partition] = p.HighWatermark - 1
		}
	}
	c := b.client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond))
	defer c.Close()
	for len(left) > 0 {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("reading %s: %v, left %v", topic, err, left)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if last, ok := left[r.Partition]; ok && r.Offset >= last {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() {
				out[r.Partition] = append(out[r.Partition], r)
			}
		})
	}
	return out
}

// ends are the offsets behind the last record of each partition.
func (b *kafkaBroker) ends(topic string) []int64 {
	infos := b.PartitionInfos(topic)
	ends := make([]int64, len(infos))
	for _, p := range infos {
		ends[p.Partition] = p.HighWatermark
	}
	return ends
}

// flat are the records of all partitions.
func flat(partitions [][]*kgo.Record) []*kgo.Record { return slices.Concat(partitions...) }

// difference says in which field two records differ; "" if in none. Null and
// empty are different.
func difference(a, b *kgo.Record) string {
	same := func(x, y []byte) bool { return bytes.Equal(x, y) && (x == nil) == (y == nil) }
	switch {
	case !same(a.Key, b.Key):
		return fmt.Sprintf("key: %q, %q", a.Key, b.Key)
	case !same(a.Value, b.Value):
		return fmt.Sprintf("value: %.40q, %.40q", a.Value, b.Value)
	case !a.Timestamp.Equal(b.Timestamp):
		return fmt.Sprintf("time: %v, %v", a.Timestamp, b.Timestamp)
	case len(a.Headers) != len(b.Headers):
		return fmt.Sprintf("headers: %d, %d", len(a.Headers), len(b.Headers))
	}
	for i, h := range a.Headers {
		if g := b.Headers[i]; h.Key != g.Key || !same(h.Value, g.Value) {
			return fmt.Sprintf("header %d: %q=%q, %q=%q", i, h.Key, h.Value, g.Key, g.Value)
		}
	}
	return ""
}

// sameRecords compares two topics field by field, in order per partition.
func sameRecords(t *testing.T, got, want [][]*kgo.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d partitions, want %d", len(got), len(want))
	}
	for p := range want {
		if len(got[p]) != len(want[p]) {
			t.Errorf("partition %d: %d records, want %d", p, len(got[p]), len(want[p]))
		}
		for i := range min(len(got[p]), len(want[p])) {
			if d := difference(got[p][i], want[p][i]); d != "" {
				t.Fatalf("partition %d, record %d: %s", p, i, d)
			}
		}
	}
}

// mixed are n records of every kind that a topic can hold, dealt out to
// partitions at random.
func mixed(topic string, n, partitions int) []*kgo.Record {
	kind := func(i int, some string) []byte {
		switch i % 7 {
		case 0:
			return nil
		case 1:
			return []byte{}
		}
		return fmt.Appendf(nil, "%s %d\x00\xff", some, i)
	}
	records := make([]*kgo.Record, n)
	for i := range records {
		r := &kgo.Record{Topic: topic, Partition: int32(i * 31 % 17 % partitions), Key: kind(i, "key"), Value: kind(i/7, "value")}
		r.Timestamp = time.UnixMilli(1_700_000_000_000 + int64(i*7919%100_000)) // backwards as often as not
		for h := range i % 4 {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: []string{"trace", "", "trace"}[h], Value: kind(i+h, "header")})
		}
		if i%1000 == 999 {
			r.Value = bytes.Repeat([]byte{byte(i)}, 200_000)
		}
		records[i] = r
	}
	return records
}

// byKey sorts records by key, and keeps the order of those with the same.
func byKey(records []*kgo.Record) []*kgo.Record {
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b *kgo.Record) int { return bytes.Compare(a.Key, b.Key) })
	return records
}
