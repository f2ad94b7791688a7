package testcontainers

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// series are records that can be made again from their number, so that many of
// them need no memory. Record i lies in partition i modulo partitions, and
// keeps its order there.
type series struct {
	partitions int32
	n          int
	large      int // one in so many has up to 900 KiB; 0 for none
}

const largest = 900 << 10

// record makes record i: null and empty keys, values and headers, headers that
// repeat, times that go backwards.
func (s series) record(topic string, i int) *kgo.Record {
	var seed [32]byte
	copy(seed[:], strconv.Itoa(i))
	source := rand.NewChaCha8(seed)
	rnd := rand.New(source)
	some := func(size int) []byte {
		switch rnd.IntN(8) {
		case 0:
			return nil
		case 1:
			return []byte{}
		}
		b := make([]byte, size)
		_, _ = source.Read(b)
		return b
	}
	r := &kgo.Record{Topic: topic, Partition: int32(i) % s.partitions}
	r.Key = some(rnd.IntN(40))
	r.Value = some(rnd.IntN(400))
	if s.large > 0 && i%s.large == 0 {
		r.Value = make([]byte, rnd.IntN(largest)+1)
		if i == 0 {
			r.Value = make([]byte, largest)
		}
		_, _ = source.Read(r.Value)
	}
	for range rnd.IntN(4) {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: []string{"", "trace-id", "größe"}[rnd.IntN(3)], Value: some(rnd.IntN(30))})
	}
	r.Timestamp = time.UnixMilli(1_700_000_000_000 + rnd.Int64N(100_000_000))
	return r
}

// numbered makes record i with its number as the key, so that it is known
// without being opened.
func (s series) numbered(topic string, i int) *kgo.Record {
	r := s.record(topic, i)
	r.Key = fmt.Appendf(nil, "%09d", i)
	return r
}

// put writes records from..to-1 as make makes them.
func (k *kafkaServer) put(t *testing.T, topic string, from, to int, record func(topic string, i int) *kgo.Record, opts ...kgo.Opt) {
	t.Helper()
	c := k.connect(t, append([]kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedBytes(64 << 20), kgo.ProducerLinger(5 * time.Millisecond),
	}, opts...)...)
	defer c.Close()
	failed := make(chan error, 1)
	for i := from; i < to; i++ {
		c.Produce(t.Context(), record(topic, i), func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
}

// compare reads a topic and compares it with what record makes: each once,
// field by field, in order per partition.
func (k *kafkaServer) compare(t *testing.T, topic string, s series, record func(topic string, i int) *kgo.Record) {
	t.Helper()
	seen, differ := make([]int, s.partitions), 0
	k.read(t, topic, s.partitions, func(r *kgo.Record) {
		i := seen[r.Partition]*int(s.partitions) + int(r.Partition)
		seen[r.Partition]++
		if i >= s.n {
			return
		}
		if d := difference(r, record(topic, i)); d != "" {
			if differ++; differ <= 5 {
				t.Errorf("%s, record %d: %s", place(r), i, d)
			}
		}
	})
	total := 0
	for p, n := range seen {
		total += n
		if want := (s.n - p + int(s.partitions) - 1) / int(s.partitions); n != want {
			t.Errorf("%s/%d: %d records, want %d", topic, p, n, want)
		}
	}
	t.Logf("%s: %d records, %d differ", topic, total, differ)
}

// difference says in which field two records differ; "" if in none. Null and
// empty are different.
func difference(a, b *kgo.Record) string {
	same := func(x, y []byte) bool { return bytes.Equal(x, y) && (x == nil) == (y == nil) }
	switch {
	case !same(a.Key, b.Key):
		return fmt.Sprintf("key: %.40q, %.40q", a.Key, b.Key)
	case !same(a.Value, b.Value):
		return fmt.Sprintf("value: %.40q (%d), %.40q (%d)", a.Value, len(a.Value), b.Value, len(b.Value))
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
