package batch

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

func finish(t testing.TB, msgs []pipeline.Message, p Producer, c *Compressor) []byte {
	t.Helper()
	var a Appender
	a.Begin(nil)
	for i := range msgs {
		before, size := a.Len(), a.Size(&msgs[i])
		a.Append(&msgs[i])
		if got := a.Len() - before; got != size || got > BoundMessage(&msgs[i]) {
			t.Fatalf("message %d took %d bytes, Size said %d, Bound %d", i, got, size, BoundMessage(&msgs[i]))
		}
	}
	if a.Count() != len(msgs) {
		t.Fatal("count", a.Count())
	}
	b, err := a.Finish(p, c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// random makes messages with everything that transforms like to lose.
func random(r *rand.Rand, n, size int) []pipeline.Message {
	some := func(size int) []byte {
		switch r.IntN(5) {
		case 0:
			return nil
		case 1:
			return []byte{}
		}
		b := make([]byte, r.IntN(size)+1)
		for i := range b {
			b[i] = byte(r.IntN(4))
		}
		return b
	}
	msgs := make([]pipeline.Message, n)
	for i := range msgs {
		m := &msgs[i]
		m.Key, m.Value = some(40), some(size)
		for range r.IntN(4) * r.IntN(3) {
			m.Headers = append(m.Headers, pipeline.Header{Name: string(some(3)), Value: some(20)})
		}
		switch r.IntN(4) {
		case 0: // none
		case 1:
			m.Time = time.UnixMilli(r.Int64() - r.Int64())
		default:
			m.Time = time.UnixMilli(1_700_000_000_000 + int64(r.IntN(100_000)) - 50_000)
		}
		m.Origin = pipeline.Origin{Place: "orders/3", Offset: int64(i), Previous: -1}
	}
	return msgs
}

func TestWhatIsAppendedIsRead(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 50 {
		want := random(r, r.IntN(40)+1, []int{1, 50, 3000}[round%3])
		if round%25 == 0 {
			want[0].Value = bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		}
		for c := None; c.valid(); c++ {
			b := finish(t, want, anonymous, NewCompressor(c))
			got, err := read(b, 0)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, got, want)
		}
	}
}

// kmsg reads what is appended, and franz-go's decompressor inflates it.
func TestOthersReadWhatIsAppended(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	msgs := random(r, 300, 500)
	p := Producer{ID: 1 << 40, Epoch: 7, Sequence: 99, Transactional: true}
	for c := None; c.valid(); c++ {
		t.Run(c.String(), func(t *testing.T) {
			var b kmsg.RecordBatch
			if err := b.ReadFrom(finish(t, msgs, p, NewCompressor(c))); err != nil {
				t.Fatal(err)
			}
			if b.ProducerID != p.ID || b.ProducerEpoch != p.Epoch || b.FirstSequence != p.Sequence || b.Magic != 2 ||
				b.NumRecords != 300 || b.LastOffsetDelta != 299 || b.FirstOffset != 0 || b.Attributes != 0x10|int16(c) {
				t.Errorf("header %+v", b)
			}
			records, err := kgo.DefaultDecompressor().Decompress(b.Records, kgo.CompressionCodecType(b.Attributes&7))
			if err != nil {
				t.Fatal(err)
			}
			latest := int64(math.MinInt64)
			for i := range msgs {
				length, n := parseVarint(records)
				var k kmsg.Record
				if err := k.ReadFrom(records[:n+int(length)]); err != nil {
					t.Fatal(err)
				}
				records = records[n+int(length):]
				got := raw{offset: int64(k.OffsetDelta), key: k.Key, value: k.Value, headers: k.Headers}.message(0)
				at := b.FirstTimestamp + k.TimestampDelta64
				latest = max(latest, at)
				got.Time = timeOf(at)
				wantEqual(t, []pipeline.Message{got}, msgs[i:i+1])
			}
			if len(records) > 0 || latest != b.MaxTimestamp {
				t.Errorf("%d bytes left, max timestamp %d, want %d", len(records), b.MaxTimestamp, latest)
			}
		})
	}
}

// Records that do not shrink are left alone, so that readers are spared the
// codec.
func TestIncompressible(t *testing.T) {
	value := make([]byte, 5000)
	for i := range value {
		value[i] = byte(rand.Uint32())
	}
	for c := Gzip; c.valid(); c++ {
		b := finish(t, []pipeline.Message{{Value: value}}, anonymous, NewCompressor(c))
		if b[22]&maskCompression != 0 {
			t.Errorf("%s: %d bytes, attributes %x", c, len(b), b[22])
		}
	}
}

func TestAppenderIsReused(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var a Appender
	c := NewCompressor(LZ4)
	var dst []byte
	var want [][]pipeline.Message
	for range 4 {
		msgs := random(r, 20, 300)
		a.Begin(dst)
		for i := range msgs {
			a.Append(&msgs[i])
		}
		var err error
		if dst, err = a.Finish(anonymous, c); err != nil {
			t.Fatal(err)
		}
		want = append(want, msgs)
	}
	for _, msgs := range want {
		var r Reader
		r.Reset("orders/3", dst, 0)
		info, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		var into Records
		if _, err := r.Read(&into, math.MaxInt); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, into.Messages, msgs)
		dst = dst[info.Size:]
	}
	if len(dst) > 0 {
		t.Errorf("%d bytes left", len(dst))
	}
}

func TestFinishRefusesAnEmptyBatch(t *testing.T) {
	var a Appender
	a.Begin(nil)
	if _, err := a.Finish(anonymous, nil); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

func TestNextSequence(t *testing.T) {
	for _, test := range []struct {
		sequence int32
		count    int
		want     int32
	}{{0, 1, 1}, {7, 100, 107}, {math.MaxInt32, 1, 0}, {math.MaxInt32 - 1, 1, math.MaxInt32}, {math.MaxInt32 - 1, 5, 3}} {
		if got := NextSequence(test.sequence, test.count); got != test.want {
			t.Errorf("%d and %d: %d, want %d", test.sequence, test.count, got, test.want)
		}
	}
}

func TestVarintSize(t *testing.T) {
	for shift := range 64 {
		for _, v := range []int64{1 << shift, 1<<shift - 1, -1 << shift, -1<<shift + 1} {
			if got, want := varintSize(v), len(appendVarint(nil, v)); got != want {
				t.Errorf("%d: %d, want %d", v, got, want)
			}
			b := appendVarint(nil, v)
			if got, n := parseVarint(b); got != v || n != len(b) {
				t.Errorf("%d: %d, %d", v, got, n)
			}
		}
	}
}

func TestUnknownCompression(t *testing.T) {
	if c := Compression(5); fmt.Sprint(c) != "codec 5" || NewCompressor(c) != nil || NewCompressor(None) != nil {
		t.Error(c)
	}
}

// No record costs an allocation, neither on the way in nor on the way out.
func TestAllocations(t *testing.T) {
	msgs := make([]pipeline.Message, 1000)
	for i := range msgs {
		msgs[i] = pipeline.Message{
			Key: []byte("key"), Value: bytes.Repeat([]byte("v"), 100), Time: time.UnixMilli(int64(i)),
			Headers: []pipeline.Header{{Name: "trace", Value: []byte("abc")}, {Name: "type", Value: []byte("order")}},
		}
	}
	for c := None; c.valid(); c++ {
		set := finish(t, msgs, anonymous, NewCompressor(c))
		var r Reader
		var into Records
		perBatch := testing.AllocsPerRun(20, func() {
			into.Reset()
			r.Reset("orders/3", set, 0)
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
			if more, err := r.Read(&into, math.MaxInt); more || err != nil {
				t.Fatal(more, err)
			}
		})
		most := 0.0
		if c != None {
			most = 60 // the codec's own, for one batch
		}
		if perBatch > most {
			t.Errorf("%s: %v allocations to read %d records", c, perBatch, len(msgs))
		}
		t.Logf("%s: %v allocations to read a batch", c, perBatch)
		into.Reset()
	}
	var a Appender
	var buf []byte
	perBatch := testing.AllocsPerRun(20, func() {
		a.Begin(buf[:0])
		for i := range msgs {
			if a.Size(&msgs[i]) > BoundMessage(&msgs[i]) {
				t.Fatal("size")
			}
			a.Append(&msgs[i])
		}
		var err error
		if buf, err = a.Finish(anonymous, nil); err != nil {
			t.Fatal(err)
		}
	})
	if perBatch > 0 {
		t.Errorf("%v allocations to append %d records", perBatch, len(msgs))
	}
}
