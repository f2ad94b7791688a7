package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// raw is a record as kmsg, which is independent of this package, writes it.
type raw struct {
	offset, time int64 // deltas
	key, value   []byte
	headers      []kmsg.Header
}

// encode writes a batch with kmsg. Change may be nil.
func encode(base int64, records []raw, change func(*kmsg.RecordBatch)) []byte {
	var body []byte
	for _, r := range records {
		k := kmsg.Record{
			TimestampDelta64: r.time, OffsetDelta: int32(r.offset), Key: r.key, Value: r.value, Headers: r.headers,
		}
		k.Length = int32(len(k.AppendTo(nil)) - 1) // the length 0 takes one byte
		body = k.AppendTo(body)
	}
	b := kmsg.RecordBatch{
		FirstOffset: base, PartitionLeaderEpoch: 5, Magic: 2, FirstTimestamp: 1_700_000_000_000,
		MaxTimestamp: 1_700_000_009_999, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
		NumRecords: int32(len(records)), Records: body,
	}
	if n := len(records); n > 0 {
		b.LastOffsetDelta = int32(records[n-1].offset)
	}
	if change != nil {
		change(&b)
	}
	return reseal(b.AppendTo(nil))
}

// reseal makes length and checksum right.
func reseal(b []byte) []byte {
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// squeeze compresses with franz-go's compressor, which is independent of
// kafka-go's codecs.
func squeeze(t testing.TB, codec kgo.CompressionCodec, b []byte) []byte {
	t.Helper()
	c, err := kgo.DefaultCompressor(codec)
	if err != nil {
		t.Fatal(err)
	}
	out, _ := c.Compress(new(bytes.Buffer), b)
	return slices.Clone(out)
}

var codecs = []struct {
	is  Compression
	kgo kgo.CompressionCodec
}{
	{Gzip, kgo.GzipCompression()}, {Snappy, kgo.SnappyCompression()}, {LZ4, kgo.Lz4Compression()}, {Zstd, kgo.ZstdCompression()},
}

// compressed gives the change for encode that compresses.
func compressed(t testing.TB, codec int) func(*kmsg.RecordBatch) {
	return func(b *kmsg.RecordBatch) {
		b.Attributes |= int16(codecs[codec].is)
		b.Records = squeeze(t, codecs[codec].kgo, b.Records)
	}
}

// readAll reads a set with reads of limit bytes, each into Records of its own,
// and copies nothing.
func readAll(r *Reader, limit int) (got []pipeline.Message, reads int, err error) {
	for {
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			return got, reads, nil
		} else if err != nil {
			return got, reads, err
		}
		for more := true; more; {
			var into Records
			if more, err = r.Read(&into, limit); err != nil {
				return got, reads, err
			}
			got = append(got, into.Messages...)
			reads++
		}
	}
}

func read(set []byte, from int64) ([]pipeline.Message, error) {
	var r Reader
	r.Reset("orders/3", set, from)
	got, _, err := readAll(&r, math.MaxInt)
	return got, err
}

// equal compares messages, their terms only if both have one: a broker gives
// batches their epoch.
func equal(a, b *pipeline.Message) bool {
	if hasNoTerm(a) || hasNoTerm(b) {
		c, d := *a, *b
		c.Origin.Term, d.Origin.Term = 0, 0
		a, b = &c, &d
	}
	same := func(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }
	return same(a.Key, b.Key) && same(a.Value, b.Value) && a.Time.Equal(b.Time) && a.Origin == b.Origin &&
		slices.EqualFunc(a.Headers, b.Headers, func(a, b pipeline.Header) bool {
			return a.Name == b.Name && same(a.Value, b.Value)
		})
}

func hasNoTerm(m *pipeline.Message) bool {
	return m.Origin.Term == 0 || m.Origin.Term == pipeline.UnknownTerm
}

func wantEqual(t *testing.T, got, want []pipeline.Message) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d messages, want %d", len(got), len(want))
	}
	for i := range got {
		if !equal(&got[i], &want[i]) {
			t.Fatalf("message %d differs:\n got %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

// message is what the raw record becomes.
func (r raw) message(base int64) pipeline.Message {
	m := pipeline.Message{
		Key: r.key, Value: r.value, Time: time.UnixMilli(1_700_000_000_000 + r.time),
		Origin: pipeline.Origin{Place: "orders/3", Offset: base + r.offset, Previous: -1},
	}
	for _, h := range r.headers {
		m.Headers = append(m.Headers, pipeline.Header{Name: h.Key, Value: h.Value})
	}
	return m
}

func messages(base int64, records []raw) (m []pipeline.Message) {
	for _, r := range records {
		m = append(m, r.message(base))
	}
	return m
}

// awkward has what transforms like to lose.
var awkward = []raw{
	{offset: 0, key: []byte("k"), value: []byte("v")},
	{offset: 1, time: 70, key: nil, value: nil},
	{offset: 2, time: -40_000, key: []byte{}, value: []byte{}},
	{offset: 7, time: 5, value: []byte("after a gap"), headers: []kmsg.Header{
		{Key: "a", Value: []byte("1")}, {Key: "b", Value: nil}, {Key: "a", Value: []byte{}}, {Key: "", Value: []byte("3")}, {Key: "a", Value: []byte("1")},
	}},
	{offset: 900, time: 1 << 40, key: bytes.Repeat([]byte("K"), 200), value: bytes.Repeat([]byte("long "), 60_000)},
	{offset: 901, time: -1 << 40, value: []byte("x"), headers: []kmsg.Header{{Key: "last"}}},
}

// anonymous is the producer of a batch that is neither idempotent nor in a
// transaction.
var anonymous = Producer{ID: -1, Epoch: -1, Sequence: -1}
