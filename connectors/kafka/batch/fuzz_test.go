package batch

import (
	"bytes"
	"math"
	"testing"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// FuzzReader gives it sets of batches, as they come and with their checksum put
// right.
func FuzzReader(f *testing.F) {
	f.Add(encode(50, awkward[:4], nil), false)
	for i := range codecs {
		f.Add(encode(50, awkward[:4], compressed(f, i)), true)
	}
	f.Add(encode(9, []raw{{key: []byte{0, 0, 0, 1}, value: make([]byte, 6)}}, func(b *kmsg.RecordBatch) { b.Attributes = 0x30 }), true)
	f.Fuzz(func(t *testing.T, set []byte, right bool) {
		if right && len(set) >= HeaderSize {
			reseal(set)
		}
		r := Reader{Limits: Limits{Batch: 1 << 20, Piece: 256 << 10}}
		r.Reset("orders/3", set, 0)
		whole, _, err := readAll(&r, math.MaxInt)
		check(t, whole)
		// In small reads it is the same.
		r.Reset("orders/3", set, 0)
		parts, _, again := readAll(&r, 2*messageSize)
		if (err == nil) != (again == nil) {
			t.Fatalf("at once %v, in parts %v", err, again)
		}
		if err == nil {
			wantEqual(t, parts, whole)
		}
		if err == nil && len(whole) > 0 {
			b := finish(t, whole, anonymous, nil)
			got, err := read(b, 0)
			if err != nil {
				t.Fatal(err)
			}
			for i := range whole {
				whole[i].Origin.Offset = int64(i)
			}
			wantEqual(t, got, whole)
		}
	})
}

func check(t *testing.T, msgs []pipeline.Message) {
	last := int64(-1)
	for i := range msgs {
		if msgs[i].Origin.Offset <= last {
			t.Fatal("offsets", last, msgs[i].Origin.Offset)
		}
		last = msgs[i].Origin.Offset
	}
}

// FuzzInflate gives the codecs any bytes, behind the checks that bound them.
func FuzzInflate(f *testing.F) {
	for i := range codecs {
		var body []byte
		encode(50, awkward[:4], func(b *kmsg.RecordBatch) {
			compressed(f, i)(b)
			body = b.Records
		})
		f.Add(int8(codecs[i].is), body)
	}
	f.Add(int8(Zstd), zstdFrame(window128K, zeroRecord(0, 1)...))
	f.Fuzz(func(t *testing.T, codec int8, body []byte) {
		set := encode(0, nil, func(b *kmsg.RecordBatch) {
			b.Attributes, b.Records = int16(uint8(codec)&7), body
			b.NumRecords, b.LastOffsetDelta = 4, 100
		})
		r := Reader{Limits: Limits{Batch: 1 << 20, Piece: 256 << 10}}
		r.Reset("orders/3", set, 0)
		got, _, _ := readAll(&r, math.MaxInt)
		check(t, got)
	})
}

// FuzzLZ4 compares frames with the library, which is more lenient.
func FuzzLZ4(f *testing.F) {
	text := []byte("abcdabcdabcdabcdabcdabcdabcd0123abcdabcd")
	f.Add(lz4Frame(f, text))
	f.Add(lz4Frame(f, text, lz4.BlockSizeOption(lz4.Block64Kb), lz4.SizeOption(uint64(len(text))), lz4.BlockChecksumOption(true)))
	f.Add(linkedFrame(f, bytes.Repeat(text, 3200)))
	f.Fuzz(func(t *testing.T, frame []byte) {
		frame = bytes.Clone(frame)
		if len(frame) >= 15 {
			sealLZ4(frame)
		}
		compareLZ4(t, new(Codecs), "fuzzed", frame, true)
	})
}

// FuzzAppend gives it messages.
func FuzzAppend(f *testing.F) {
	f.Add([]byte("k"), []byte("v"), "h", []byte("x"), int64(5), int64(-5), uint8(0))
	f.Add([]byte{}, []byte(nil), "", []byte{}, int64(math.MaxInt64), int64(math.MinInt64), uint8(0x7b))
	f.Fuzz(func(t *testing.T, key, value []byte, name string, header []byte, first, second int64, bits uint8) {
		if bits&1 != 0 {
			key = nil
		}
		if bits&2 != 0 {
			value = nil
		}
		if bits&4 != 0 {
			header = nil
		}
		want := []pipeline.Message{
			{Key: key, Value: value, Headers: []pipeline.Header{{Name: name, Value: header}}, Time: timeOf(first)},
			{Key: value, Value: key, Time: timeOf(second)},
		}
		for i := range want {
			want[i].Origin = pipeline.Origin{Place: "orders/3", Offset: int64(i), Previous: -1}
		}
		got, err := read(finish(t, want, anonymous, NewCompressor(Compression(bits>>3%5))), 0)
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, got, want)
	})
}
