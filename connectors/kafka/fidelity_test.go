package kafka

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// odd are messages of every kind that a topic can hold: what is null or empty,
// headers that repeat, times that go backwards, values of 0 B to 900 KiB.
func odd(n int) []pipeline.Message {
	r := rand.New(rand.NewPCG(7, 7))
	some := func(most int) []byte {
		switch r.IntN(6) {
		case 0:
			return nil
		case 1:
			return []byte{}
		}
		b := make([]byte, 1+r.IntN(most))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	msgs := make([]pipeline.Message, n)
	for i := range msgs {
		m := &msgs[i]
		m.Key, m.Value = some(30), some(200)
		if i%4000 == 17 {
			m.Value = bytes.Repeat([]byte{byte(i)}, 900<<10)
		}
		for range r.IntN(4) {
			m.Headers = append(m.Headers, pipeline.Header{Name: []string{"", "a", "trace-id", "größe"}[r.IntN(4)], Value: some(20)})
		}
		m.Time = time.UnixMilli(1_700_000_000_000 + r.Int64N(1_000_000)).UTC()
	}
	return msgs
}

// TestFidelity carries messages and compares them field by field, in order per
// partition, as another client wrote and reads them.
func TestFidelity(t *testing.T) {
	t.Parallel()
	const n, parts = 20_000, 4
	tests := []struct {
		name     string
		delivery Delivery
		in       kgo.CompressionCodec
		out      batch.Compression
	}{
		{"plain", ExactlyOnce, kgo.NoCompression(), batch.None},
		{"gzip", AtLeastOnce, kgo.GzipCompression(), batch.Zstd},
		{"snappy", AtLeastOnce, kgo.SnappyCompression(), batch.LZ4},
		{"lz4", AtLeastOnce, kgo.Lz4Compression(), batch.Snappy},
		{"zstd", ExactlyOnce, kgo.ZstdCompression(), batch.Gzip},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			count := n
			if test.in != kgo.NoCompression() {
				count = n / 10
			}
			want := odd(count)
			b := startBroker(t)
			b.topic("in", parts)
			b.put("in", parts, want, kgo.ProducerBatchCompression(test.in))
			c := b.connect(nil)
			src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
			sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true, Delivery: test.delivery, Compression: test.out})
			if err := finish(t, pipeline.Options{Source: src, Sink: sink, Workers: 2}); err != nil {
				t.Fatal(err)
			}
			got := make(map[string][]pipeline.Message)
			for _, m := range b.committed("out") {
				got[m.Origin.Place] = append(got[m.Origin.Place], m)
			}
			for p := range parts {
				place := cluster.PlaceOf("out", int32(p))
				for k := 0; k*parts+p < count; k++ {
					if k >= len(got[place]) {
						t.Fatalf("%s holds %d messages", place, len(got[place]))
					}
					if d := pipelinetest.Diff(carries, &want[k*parts+p], &got[place][k]); d != "" {
						t.Fatalf("%s: message %d: %s", place, k, d)
					}
				}
				if more := len(got[place]) - (count-p+parts-1)/parts; more > 0 {
					t.Errorf("%s holds %d messages too many", place, more)
				}
			}
		})
	}
}

// TestRestlessProducer reads a topic whose producer takes every second
// transaction back.
func TestRestlessProducer(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 2)
	r := b.member("a", ExactlyOnce)
	const rounds = 20
	for i := range rounds {
		b.put("in", 2, numbered(i*4, 4))
		b.abort("in", int32(i%2), numbered(1_000_000, 3))
	}
	b.eventually("everything", b.caughtUp)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if err := onceInOrder(b.committed("out"), rounds*4); err != nil {
		t.Error(err)
	}
}

// TestNoStarvation: a lane whose every fetch is filled by one partition gets
// around to all of them.
func TestNoStarvation(t *testing.T) {
	t.Parallel()
	const parts = 5
	b := startBroker(t)
	b.topic("in", parts)
	for i := range 6 {
		b.put("in", parts, numbered(i*50*parts, 50*parts), kgo.ProducerBatchCompression(kgo.NoCompression())) // a batch of 50 in each
	}
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Workers: 1, Until: Until{End: true}})
	src.topics.allTopics()[0].maxBatch.Store(1)
	place, inARow := "", 0
	err := src.Serve(t.Context(), func(ctx context.Context, l pipeline.Lane) error {
		for range 200 {
			b, err := l.Read(ctx, 1<<10)
			if err != nil {
				return err
			}
			for i := range b.Messages {
				if p := b.Messages[i].Origin.Place; p != place {
					place, inARow = p, 0
				}
				if inARow++; inARow > 50 {
					t.Fatalf("%s is read again before the others", place)
				}
			}
			b.Release()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCorruptBatch: a batch that was damaged parks its lane with its name, and
// what came before it is kept.
func TestCorruptBatch(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.topic("out", 1)
	plain := kgo.ProducerBatchCompression(kgo.NoCompression())
	b.put("in", 1, numbered(0, 30), plain)
	b.put("in", 1, numbered(30, 30), plain)
	damaging := &network{damage: []byte("00000045")}
	c := b.connect(damaging.dial)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
	src.topics.allTopics()[0].maxBatch.Store(0)
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src})
	err := finish(t, pipeline.Options{Source: src, Sink: sink})
	if !errors.Is(err, batch.ErrChecksum) || !strings.Contains(err.Error(), "in/0@30") {
		t.Errorf("got %v", err)
	}
	if err := onceInOrder(b.committed("out"), 30); err != nil {
		t.Error(err)
	}
	if at := b.offsetOf("g", "in", 0); at != 30 {
		t.Errorf("the group is at %d", at)
	}
}

// TestManyPartitions: a read that holds little at a time gets around to every
// partition.
func TestManyPartitions(t *testing.T) {
	t.Parallel()
	const parts = 50
	b := startBroker(t, kfake.NumBrokers(3))
	b.topic("in", parts)
	b.put("in", parts, numbered(0, parts*40))
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Workers: 2, Until: Until{End: true}})
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})
	moved := 0
	o := pipeline.Options{Source: src, Sink: sink, Workers: 2, ReadAhead: 8 << 10}
	o.NewTransform = pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
		if number(m) == 17*parts && moved == 0 {
			moved++
			for p := range parts { // leaders move under our feet
				if err := b.MoveTopicPartition("in", int32(p), int32((p+1)%3)); err != nil {
					return err
				}
				if err := b.MoveTopicPartition("out", int32(p), int32((p+2)%3)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err := finish(t, o); err != nil {
		t.Fatal(err)
	}
	msgs := b.committed("out")
	if err := onceInOrder(msgs, parts*40); err != nil {
		t.Error(err)
	}
	for i := range msgs {
		if want := cluster.PlaceOf("out", int32(number(&msgs[i])%parts)); msgs[i].Origin.Place != want {
			t.Fatalf("message %d is in %s", number(&msgs[i]), msgs[i].Origin.Place)
		}
	}
}
