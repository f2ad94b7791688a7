package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// TestBatchesBeyondReadAhead: batches that are each many times what a lane
// reads at a time are carried, and no partition waits until another one has
// been read to its end.
func TestBatchesBeyondReadAhead(t *testing.T) {
	t.Parallel()
	const parts, n, readAhead = 4, 960, 16 << 10
	b := startBroker(t)
	b.topic("in", parts)
	for i := range 8 { // in each partition eight batches of 30 messages, of 300 KiB all in all
		msgs := numbered(i*n/8, n/8)
		for k := range msgs {
			msgs[k].Headers = []pipeline.Header{{Name: "fill", Value: bytes.Repeat([]byte("x"), 10<<10)}}
		}
		b.put("in", parts, msgs, kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(1<<20))
	}
	c := b.connect(nil)
	for topic, delivery := range map[string]Delivery{"once": ExactlyOnce, "at-least-once": AtLeastOnce} {
		src := b.source(c, SourceOptions{Topic: "in", Group: topic, Workers: 1, Until: Until{End: true}})
		sink := b.sink(c, SinkOptions{Topic: topic, Source: src, Create: true, Delivery: delivery})
		place, inARow, most := "", 0, 0
		watch := pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
			if m.Origin.Place != place {
				place, inARow = m.Origin.Place, 0
			}
			inARow++
			most = max(most, inARow)
			return nil
		})
		err := finish(t, pipeline.Options{Source: src, Sink: sink, Workers: 1, ReadAhead: readAhead, NewTransform: watch})
		if err != nil {
			t.Fatalf("%s: %v", topic, err)
		}
		if err := onceInOrder(b.committed(topic), n); err != nil {
			t.Errorf("%s: %v", topic, err)
		}
		if most > n/parts/2 {
			t.Errorf("%s: %d messages of one partition come in a row", topic, most)
		}
	}
}

// TestBombs: batches of less than 1 MiB that inflate to 512 MiB end the run, by
// name, and take no more memory than others. (Not in parallel: what is
// allocated meanwhile is counted.)
func TestBombs(t *testing.T) {
	for name, test := range map[string]struct{ count, size int }{
		"a record":     {1, 512 << 20},
		"many records": {512, 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			b := startBroker(t)
			b.topic("in", 1)
			b.put("in", 1, numbered(0, 3))
			c := b.connect(nil)
			bomb := bomb(test.count, test.size)
			if len(bomb) > 1<<20 {
				t.Fatalf("it has %d bytes", len(bomb))
			}
			answer, err := c.Wire().Produce(t.Context(), &wire.ProduceRequest{
				Broker: b.LeaderFor("in", 0), Acks: wire.AllReplicas, Timeout: produceTimeout,
				Partitions: []wire.ProducePartition{{Topic: "in", Batch: bomb}},
			})
			if err != nil || answer.Partitions[0].Err != nil {
				t.Fatal(err, answer)
			}
			src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
			var sink discard
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err = finish(t, pipeline.Options{Source: src, Sink: &sink, Workers: 1, Budget: 4 << 20})
			runtime.ReadMemStats(&after)
			if !errors.Is(err, batch.ErrTooLarge) || !strings.Contains(err.Error(), "in/0@") {
				t.Errorf("got %v", err)
			}
			if sink.n < 3 || sink.n > 3+256 || sink.n > 3 && test.count == 1 {
				t.Errorf("%d messages were read", sink.n)
			}
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 16 {
				t.Errorf("%d MiB were allocated", used)
			}
		})
	}
}

// discard is a Sink that counts.
type discard struct{ n int }

func (d *discard) Open(context.Context, pipeline.Lane) (pipeline.Writer, error) { return d, nil }

func (d *discard) Write(_ context.Context, msgs []pipeline.Message, _ *pipeline.Progress) error {
	d.n += len(msgs)
	return nil
}

func (*discard) Close(context.Context) error { return nil }

// bomb is a batch of records whose values are that many zeros, as zstd (RFC
// 8878) holds them: a run of up to 128 KiB takes four bytes.
func bomb(count, size int) []byte {
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3} // a window of 128 KiB
	last := 0
	block := func(kind, size int, content ...byte) {
		h := uint32(kind<<1 | size<<3)
		last = len(frame)
		frame = append(append(frame, byte(h), byte(h>>8), byte(h>>16)), content...)
	}
	for i := range count {
		body := binary.AppendVarint([]byte{0, 0}, int64(i))
		body = binary.AppendVarint(append(body, 1), int64(size)) // no key
		head := append(binary.AppendVarint(nil, int64(len(body)+size+1)), body...)
		block(0, len(head), head...)
		for left := size; left > 0; left -= 128 << 10 {
			block(1, min(left, 128<<10), 0)
		}
		block(0, 1, 0) // no headers
	}
	frame[last] |= 1
	b := make([]byte, batch.HeaderSize, batch.HeaderSize+len(frame))
	b = append(b, frame...)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	b[16], b[22] = 2, byte(batch.Zstd)
	binary.BigEndian.PutUint32(b[23:], uint32(count-1))
	copy(b[43:57], bytes.Repeat([]byte{0xff}, 14)) // no producer
	binary.BigEndian.PutUint32(b[57:], uint32(count))
	return sealed(b)
}
