package kafka

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// answers has the broker answer every fetch with the given records of in/0,
// whatever it holds.
func (b *broker) answers(records []byte) { b.answer(records, true) }

// answersOnce is answers for the next fetch only.
func (b *broker) answersOnce(records []byte) { b.answer(records, false) }

func (b *broker) answer(records []byte, always bool) {
	b.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if always {
			b.KeepControl()
		}
		res := req.ResponseKind().(*kmsg.FetchResponse)
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic = "in"
		p := kmsg.NewFetchResponseTopicPartition()
		p.HighWatermark, p.LastStableOffset, p.LogStartOffset, p.PreferredReadReplica = 15, 15, 0, -1
		p.RecordBatches = records
		topic.Partitions = append(topic.Partitions, p)
		res.Topics = append(res.Topics, topic)
		return res, nil, true
	})
}

// TestBadBatches: what cannot be read ends a run with an end by its name, and
// nothing of it is written.
func TestBadBatches(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(b []byte) []byte
		want  error
	}{
		"unknown compression": {func(b []byte) []byte { b[22] |= 7; return b }, batch.ErrCompression},
		"garbage as zstd":     {func(b []byte) []byte { b[22] |= 4; return b }, batch.ErrCompression},
		"format of 0.10":      {func(b []byte) []byte { b[16] = 1; return b }, batch.ErrFormat},
		"a later format":      {func(b []byte) []byte { b[16] = 3; return b }, batch.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			b.topic("in", 1)
			b.put("in", 1, numbered(0, 5))
			c := b.connect(nil)
			src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
			sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})
			b.answers(sealed(test.spoil(five(t))))
			err := finish(t, pipeline.Options{Source: src, Sink: sink})
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), "in/0@0") {
				t.Errorf("got %v", err)
			}
			if n := b.written("out"); n != 0 {
				t.Errorf("%d offsets were written", n)
			}
		})
	}
}

// five is a batch of five messages.
func five(t *testing.T) []byte {
	t.Helper()
	var a batch.Appender
	a.Begin(nil)
	for _, m := range numbered(0, 5) {
		a.Append(&m)
	}
	raw, err := a.Finish(anonymous, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// sealed puts the checksum of a batch right.
func sealed(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// TestTruncatedBatch: a batch that the broker answers cut short again and
// again, although the answer had room for it, ends the run by its name.
func TestTruncatedBatch(t *testing.T) {
	t.Parallel()
	for parts := 1; parts <= 3; parts++ {
		b := startBroker(t)
		b.topic("in", parts)
		b.put("in", parts, numbered(0, 5*parts))
		c := b.connect(nil)
		src := b.source(c, SourceOptions{Topic: "in", Group: "g", Workers: 1, Until: Until{End: true}})
		sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})
		whole := five(t)
		b.answers(whole[:len(whole)-1])
		err := finish(t, pipeline.Options{Source: src, Sink: sink})
		if err == nil || !strings.Contains(err.Error(), "in/0@0: malformed record batch: it is cut short") {
			t.Errorf("%d partitions: got %v", parts, err)
		}
	}
}

// TestCodecMemory: a batch that takes more memory than the lane has for its
// decoders is rejected as too-large. With more memory the batch, which has not
// got the bytes that it announces, is refused for that.
func TestCodecMemory(t *testing.T) {
	t.Parallel()
	lying := five(t)
	lying = append(lying[:batch.HeaderSize], binary.AppendUvarint(nil, 7<<20)...)
	lying[22] |= byte(batch.Snappy)
	binary.BigEndian.PutUint32(lying[8:], uint32(len(lying)-12))
	for memory, want := range map[int]error{batch.MinCodecMemory: batch.ErrTooLarge, 0: batch.ErrCompression} {
		b := startBroker(t)
		b.topic("in", 1)
		b.put("in", 1, numbered(0, 5))
		c := b.connect(nil)
		src := b.source(c, SourceOptions{Topic: "in", Group: "g", CodecMemory: memory, Until: Until{End: true}})
		sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})
		b.answers(sealed(lying))
		err := finish(t, pipeline.Options{Source: src, Sink: sink})
		if !errors.Is(err, want) || !strings.Contains(err.Error(), "in/0@0") {
			t.Errorf("memory %d: got %v, want %v", memory, err, want)
		}
		reject, ok := errors.AsType[*pipeline.Reject](err)
		if want == batch.ErrTooLarge && (!ok || reject.Reason != pipeline.ReasonTooLarge || reject.Through != 4) {
			t.Errorf("got %+v", reject)
		}
	}
}
