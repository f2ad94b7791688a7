package batch

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// vector is one batch, written down field by field from the description of the
// format in Kafka's documentation
// (https://kafka.apache.org/documentation/#recordbatch).
var vector = strings.Join([]string{
	"00000000000003e8", // base offset 1000
	"0000004b",         // length 75
	"00000007",         // leader epoch
	"02",               // magic
	"CRCCRCCR",         // checksum, see bitwise
	"0010",             // attributes: transactional, no compression
	"00000001",         // last offset delta
	"0000018bcfe56800", // base timestamp 1700000000000
	"0000018bcfe56803", // max timestamp
	"00000000000004d2", // producer id 1234
	"0003",             // producer epoch
	"00000009",         // base sequence
	"00000002",         // records

	"1e",            // length 15
	"00",            // attributes
	"00",            // time +0
	"00",            // offset +0
	"02" + "6b",     // key "k"
	"04" + "7631",   // value "v1"
	"02",            // one header
	"02" + "68",     // name "h"
	"06" + "616263", // value "abc"

	"12",        // length 9
	"00",        // attributes
	"06",        // time +3
	"02",        // offset +1
	"01",        // null key
	"01",        // null value
	"02",        // one header
	"02" + "68", // name "h"
	"01",        // null value
}, "")

// bitwise is CRC-32C from its definition: reflected polynomial 0x82F63B78.
func bitwise(b []byte) uint32 {
	c := ^uint32(0)
	for _, v := range b {
		c ^= uint32(v)
		for range 8 {
			c = c>>1 ^ 0x82F63B78&-(c&1)
		}
	}
	return ^c
}

func vectorBytes(t *testing.T) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Replace(vector, "CRCCRCCR", "00000000", 1))
	if err != nil {
		t.Fatal(err)
	}
	sum := bitwise(b[21:])
	b[17], b[18], b[19], b[20] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
	return b
}

func TestVector(t *testing.T) {
	b := vectorBytes(t)
	var r Reader
	r.Reset("orders/3", b, 0)
	info, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	if want := (Info{
		BaseOffset: 1000, LastOffset: 1001, LeaderEpoch: 7, Size: len(b), Count: 2, Transactional: true,
		BaseTime: 1700000000000, MaxTime: 1700000000003, ProducerID: 1234, ProducerEpoch: 3, Sequence: 9,
	}); *info != want {
		t.Errorf("info %+v\nwant %+v", *info, want)
	}
	var got Records
	if more, err := r.Read(&got, math.MaxInt); more || err != nil {
		t.Fatal(more, err)
	}
	at := time.UnixMilli(1700000000000)
	want := []pipeline.Message{
		{Key: []byte("k"), Value: []byte("v1"), Headers: []pipeline.Header{{Name: "h", Value: []byte("abc")}}, Time: at},
		{Headers: []pipeline.Header{{Name: "h"}}, Time: at.Add(3 * time.Millisecond)},
	}
	for i := range want {
		want[i].Origin = pipeline.Origin{Place: "orders/3", Offset: 1000 + int64(i), Previous: -1, Term: 7}
	}
	wantEqual(t, got.Messages, want)

	// The same messages make the same batch, but for what the broker fills in.
	var a Appender
	a.Begin([]byte("before"))
	for i := range want {
		a.Append(&want[i])
	}
	out, err := a.Finish(Producer{ID: 1234, Epoch: 3, Sequence: 9, Transactional: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	copy(b, make([]byte, 8))                     // base offset
	copy(b[12:], []byte{0xff, 0xff, 0xff, 0xff}) // leader epoch
	if string(out) != "before"+string(b) {
		t.Errorf("appended %x\nwant %x", out, b)
	}
}

func TestReadsWhatOthersWrite(t *testing.T) {
	want := messages(50, awkward)
	check := func(name string, change func(*kmsg.RecordBatch)) {
		t.Run(name, func(t *testing.T) {
			got, err := read(encode(50, awkward, change), 0)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, got, want)
		})
	}
	check("none", nil)
	for i := range codecs {
		check(codecs[i].is.String(), compressed(t, i))
	}
}

func TestTimes(t *testing.T) {
	tests := map[string]struct {
		change func(*kmsg.RecordBatch)
		want   time.Time
	}{
		"append time": {func(b *kmsg.RecordBatch) { b.Attributes |= 8 }, time.UnixMilli(1_700_000_009_999)},
		"create time": {nil, time.UnixMilli(1_700_000_000_000)},
		"none":        {func(b *kmsg.RecordBatch) { b.FirstTimestamp = -1 }, time.Time{}},
		"1970":        {func(b *kmsg.RecordBatch) { b.FirstTimestamp = 0 }, time.UnixMilli(0)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := read(encode(0, awkward[:1], test.change), 0)
			if err != nil || len(got) != 1 || !got[0].Time.Equal(test.want) {
				t.Fatalf("%v, %v; want %v", got, err, test.want)
			}
			// As it is read, it is written, and as create time.
			var a Appender
			a.Begin(nil)
			a.Append(&got[0])
			b, err := a.Finish(anonymous, nil)
			if err != nil {
				t.Fatal(err)
			}
			again, err := read(b, 0)
			if err != nil || !again[0].Time.Equal(test.want) || b[22] != 0 {
				t.Errorf("again %v, %v, attributes %d; want %v", again, err, b[22], test.want)
			}
		})
	}
}

// A fetch from the middle of a batch is answered with all of it.
func TestFrom(t *testing.T) {
	set := append(encode(50, awkward, nil), encode(2000, awkward[:2], nil)...)
	all := append(messages(50, awkward), messages(2000, awkward[:2])...)
	for _, from := range []int64{0, 50, 51, 53, 57, 58, 950, 951, 952, 2000, 2001} {
		var want []pipeline.Message
		for _, m := range all {
			if m.Origin.Offset >= from {
				want = append(want, m)
			}
		}
		var r Reader
		r.Reset("orders/3", set, from)
		got, _, err := readAll(&r, math.MaxInt)
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, got, want)
		if r.Offset() != 2002 {
			t.Errorf("from %d: next offset %d", from, r.Offset())
		}
	}
}

// Offset moves over what a batch spans, whether its records are there, read, or
// left.
func TestOffset(t *testing.T) {
	set := append(encode(10, awkward[:3], nil), encode(20, nil, func(b *kmsg.RecordBatch) { b.LastOffsetDelta = 9 })...)
	set = append(set, encode(40, awkward[:2], func(b *kmsg.RecordBatch) { b.LastOffsetDelta = 5 })...)
	var r Reader
	r.Reset("p", set, 5)
	var into Records
	step := func(want int64) {
		t.Helper()
		if r.Offset() != want {
			t.Errorf("offset %d, want %d", r.Offset(), want)
		}
	}
	step(5)
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	step(5)
	if more, err := r.Read(&into, 1); !more || err != nil {
		t.Fatal(more, err)
	}
	step(11)
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	step(13)
	if more, err := r.Read(&into, 1); more || err != nil {
		t.Fatal(more, err)
	}
	step(30)
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if more, err := r.Read(&into, math.MaxInt); more || err != nil {
		t.Fatal(more, err)
	}
	step(46)
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	step(46)
}

func TestLimit(t *testing.T) {
	records := make([]raw, 2000)
	for i := range records {
		records[i] = raw{offset: int64(i), value: bytes.Repeat([]byte{byte(i)}, 100+i%7)}
	}
	records[700].value = bytes.Repeat([]byte("big"), 300_000)
	want := messages(0, records)
	for i := -1; i < len(codecs); i++ {
		name, set := "none", encode(0, records, nil)
		if i >= 0 {
			name, set = codecs[i].is.String(), encode(0, records, compressed(t, i))
		}
		for _, limit := range []int{1, 300, 20_000, 500_000, math.MaxInt} {
			var r Reader
			r.Reset("orders/3", set, 0)
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
			got := 0
			into := new(Records)
			for more := true; more; {
				var err error
				wantEqual(t, into.Messages, want[got-len(into.Messages):got])
				into.Reset()
				if more, err = r.Read(into, limit); err != nil {
					t.Fatal(name, limit, err)
				}
				if into.Size() > limit && len(into.Messages) != 1 {
					t.Fatalf("%s: %d messages of %d bytes, limit %d", name, len(into.Messages), into.Size(), limit)
				}
				got += len(into.Messages)
			}
			if got != len(want) {
				t.Fatalf("%s, limit %d: %d messages, want %d", name, limit, got, len(want))
			}
			wantEqual(t, into.Messages, want[len(want)-len(into.Messages):])
		}
	}
}

func TestRecordsAreRecycled(t *testing.T) {
	set := append(encode(0, awkward, nil), encode(1000, awkward, compressed(t, 3))...)
	want := append(messages(0, awkward), messages(1000, awkward)...)
	var r Reader
	var into Records
	for range 3 {
		into.Reset()
		r.Reset("orders/3", set, 0)
		for range 2 {
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
			if more, err := r.Read(&into, math.MaxInt); more || err != nil {
				t.Fatal(more, err)
			}
		}
		wantEqual(t, into.Messages, want)
	}
	headers := into.Messages[3].Headers
	_ = append(headers, pipeline.Header{Name: "more"})
	wantEqual(t, into.Messages, want)
}

// A batch that is cut is left for the next fetch, wherever the cut is.
func TestCutSet(t *testing.T) {
	first := encode(50, awkward[:4], nil)
	set := append(first[:len(first):len(first)], encode(100, awkward[:4], nil)...)
	for n := range set {
		got, err := read(set[:n], 0)
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		want := 0
		if n >= len(first) {
			want = 4
		}
		if len(got) != want {
			t.Fatalf("cut at %d: %d messages", n, len(got))
		}
	}
}

func TestControlBatches(t *testing.T) {
	marker := func(kind byte) []raw { return []raw{{key: []byte{0, 0, 0, kind}, value: make([]byte, 6)}} }
	control := func(b *kmsg.RecordBatch) { b.Attributes |= 0x30 }
	tests := map[string]struct {
		records []raw
		want    Marker
	}{
		"abort": {marker(0), Abort}, "commit": {marker(1), Commit}, "leader change": {marker(2), Other}, "empty": {nil, Other},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var r Reader
			r.Reset("orders/3", encode(9, test.records, control), 0)
			info, err := r.Next()
			if err != nil || info.Marker != test.want || !info.Transactional {
				t.Fatal(info, err)
			}
			var into Records
			if more, err := r.Read(&into, math.MaxInt); more || err != nil || len(into.Messages) > 0 {
				t.Error("control record as message", more, err)
			}
			if r.Offset() != 10 {
				t.Error("offset", r.Offset())
			}
		})
	}
}

func TestRefused(t *testing.T) {
	plain := func(change func(*kmsg.RecordBatch)) []byte { return encode(8812, awkward[:4], change) }
	body := func(b ...byte) []byte {
		return plain(func(k *kmsg.RecordBatch) { k.Records, k.NumRecords = b, 1 })
	}
	tests := map[string]struct {
		set  []byte
		want error
	}{
		"checksum":          {func() []byte { b := plain(nil); b[len(b)-1] ^= 1; return b }(), ErrChecksum},
		"format v0":         {plain(func(b *kmsg.RecordBatch) { b.Magic = 0 }), ErrFormat},
		"format v1":         {plain(func(b *kmsg.RecordBatch) { b.Magic = 1 }), ErrFormat},
		"format v3":         {plain(func(b *kmsg.RecordBatch) { b.Magic = 3 }), ErrMalformed},
		"codec 5":           {plain(func(b *kmsg.RecordBatch) { b.Attributes = 5 }), ErrCompression},
		"not zstd":          {plain(func(b *kmsg.RecordBatch) { b.Attributes = 4 }), ErrCompression},
		"not lz4":           {plain(func(b *kmsg.RecordBatch) { b.Attributes = 3 }), ErrCompression},
		"not snappy":        {plain(func(b *kmsg.RecordBatch) { b.Attributes = 2 }), ErrCompression},
		"not gzip":          {plain(func(b *kmsg.RecordBatch) { b.Attributes = 1 }), ErrCompression},
		"negative length":   {func() []byte { b := plain(nil); b[8] = 0xff; return b }(), ErrMalformed},
		"short length":      {func() []byte { b := plain(nil); b[8], b[9], b[10], b[11] = 0, 0, 0, 48; return b }(), ErrMalformed},
		"negative offset":   {plain(func(b *kmsg.RecordBatch) { b.FirstOffset = -5 }), ErrMalformed},
		"offset overflow":   {plain(func(b *kmsg.RecordBatch) { b.FirstOffset = math.MaxInt64 - 2 }), ErrMalformed},
		"negative span":     {plain(func(b *kmsg.RecordBatch) { b.LastOffsetDelta = -1 }), ErrMalformed},
		"short span":        {plain(func(b *kmsg.RecordBatch) { b.LastOffsetDelta = 6 }), ErrMalformed},
		"negative count":    {plain(func(b *kmsg.RecordBatch) { b.NumRecords = -1 }), ErrMalformed},
		"more than offsets": {plain(func(b *kmsg.RecordBatch) { b.NumRecords = 9 }), ErrMalformed},
		"more than records": {plain(func(b *kmsg.RecordBatch) { b.NumRecords = 5 }), ErrMalformed},
		"fewer":             {plain(func(b *kmsg.RecordBatch) { b.NumRecords = 3 }), ErrMalformed},
		"same offset":       {encode(8812, []raw{awkward[1], awkward[1]}, nil), ErrMalformed},
		"offset backwards":  {encode(8812, []raw{awkward[1], awkward[0]}, func(b *kmsg.RecordBatch) { b.LastOffsetDelta = 1 }), ErrMalformed},
		"negative delta":    {encode(8812, []raw{{offset: -1}}, func(b *kmsg.RecordBatch) { b.LastOffsetDelta = 0 }), ErrMalformed},
		"set goes back":     {append(plain(nil), plain(nil)...), ErrMalformed},
		"no length":         {body(), ErrMalformed},
		"length 0":          {body(0), ErrMalformed},
		"length of a bomb":  {body(0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 1, 1, 0), ErrMalformed},
		"length too long":   {body(0x8c, 0x80, 0x80, 0x80, 0x80, 0x00, 0, 0, 0, 1, 1, 0), ErrMalformed},
		"key beyond":        {body(12, 0, 0, 0, 40, 1, 0), ErrMalformed},
		"key length -2":     {body(12, 0, 0, 0, 3, 1, 0), ErrMalformed},
		"value beyond":      {body(12, 0, 0, 0, 1, 40, 0), ErrMalformed},
		"headers -1":        {body(12, 0, 0, 0, 1, 1, 1), ErrMalformed},
		"headers beyond":    {body(12, 0, 0, 0, 1, 1, 2), ErrMalformed},
		"header bomb":       {body(20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f), ErrMalformed},
		"header no name":    {body(16, 0, 0, 0, 1, 1, 2, 1, 1), ErrMalformed},
		"bytes in record":   {body(14, 0, 0, 0, 1, 1, 0, 7), ErrMalformed},
		"control no key":    {plain(func(b *kmsg.RecordBatch) { b.Attributes = 0x20 }), ErrMalformed},
		"control zipped":    {plain(func(b *kmsg.RecordBatch) { b.Attributes = 0x21 }), ErrMalformed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var r Reader
			r.Reset("orders/3", test.set, 0)
			_, _, err := readAll(&r, math.MaxInt)
			if !errors.Is(err, test.want) {
				t.Fatalf("error %v, want %v", err, test.want)
			}
			at, ok := errors.AsType[*Error](err)
			if !ok || at.Place != "orders/3" {
				t.Fatalf("error %v does not say where", err)
			}
			if _, again := r.Next(); !errors.Is(again, test.want) {
				t.Errorf("then %v", again)
			}
			if _, again := r.Read(new(Records), 1); !errors.Is(again, test.want) {
				t.Errorf("then %v", again)
			}
		})
	}
	_, err := read(tests["checksum"].set, 0)
	if want := "orders/3@8812: checksum does not match"; err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

// No bit behind the checksum can change unnoticed.
func TestEveryBit(t *testing.T) {
	b := encode(8812, awkward[:4], nil)
	for i := 17; i < len(b); i++ {
		for bit := range 8 {
			b[i] ^= 1 << bit
			if _, err := read(b, 0); !errors.Is(err, ErrChecksum) {
				t.Fatalf("bit %d of byte %d: %v", bit, i, err)
			}
			b[i] ^= 1 << bit
		}
	}
}

// TestTerm: the term of a message is its batch's leader epoch; a batch from
// before there were epochs has none, which is not the term of the first leader.
func TestTerm(t *testing.T) {
	tests := map[int32]uint64{
		7: 7, 0: 0, math.MaxInt32: math.MaxInt32, -1: pipeline.UnknownTerm, math.MinInt32: pipeline.UnknownTerm,
	}
	for epoch, want := range tests {
		b := vectorBytes(t)
		binary.BigEndian.PutUint32(b[12:], uint32(epoch)) // no checksum covers it
		var r Reader
		r.Reset("orders/3", b, 0)
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		var got Records
		if _, err := r.Read(&got, math.MaxInt); err != nil || got.Messages[1].Origin.Term != want {
			t.Errorf("epoch %d: term %d, %v", epoch, got.Messages[1].Origin.Term, err)
		}
	}
}

// TestSkip: a batch that cannot be read is stepped over if it is certain where
// it ends, and reading goes on behind it.
func TestSkip(t *testing.T) {
	three := func(base int64) []byte { return finish(t, sixtyAt(base)[:3], anonymous, nil) }
	at := func(base int64, spoil func(b []byte)) []byte {
		b := three(0)
		b[7] = byte(base) // no checksum covers it
		if spoil != nil {
			spoil(b)
		}
		return b
	}
	resum := func(b []byte) {
		sum := bitwise(b[21:])
		b[17], b[18], b[19], b[20] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
	}
	codec := func(b []byte) { b[22] |= 7; resum(b) }
	record := func(b []byte) { b[HeaderSize] = 1; resum(b) } // a negative length
	checksum := func(b []byte) { b[len(b)-1]++ }
	magic := func(b []byte) { b[16] = 9 }
	tests := []struct {
		name        string
		set         []byte
		from        int64
		first, last int64 // -1: it is not certain where the batch ends
		behind      int   // messages that can be read then
	}{
		{"codec", slices.Concat(at(10, codec), at(20, nil)), 0, 10, 12, 3},
		{"codec, the last", at(10, codec), 0, 10, 12, 0},
		{"from the middle", slices.Concat(at(10, codec), at(20, nil)), 11, 11, 12, 3},
		{"record", slices.Concat(at(10, record), at(20, nil)), 0, 10, 12, 3},
		{"checksum", slices.Concat(at(10, checksum), at(20, nil)), 0, 10, 19, 3},
		{"checksum, the last", at(10, checksum), 0, -1, 0, 0},
		{"checksum, twice", slices.Concat(at(10, checksum), at(20, checksum)), 0, -1, 0, 0},
		{"magic", slices.Concat(at(10, magic), at(20, nil)), 0, -1, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var r Reader
			r.Reset("orders/3", test.set, test.from)
			if _, _, ok := r.Skip(); ok {
				t.Error("stepped over a batch that is good")
			}
			var got Records
			_, err := r.Next()
			if err == nil {
				_, err = r.Read(&got, math.MaxInt)
			}
			if err == nil {
				t.Fatal("no error")
			}
			first, last, ok := r.Skip()
			if ok != (test.first >= 0) || ok && (first != test.first || last != test.last || r.Offset() != last+1) {
				t.Fatalf("skipped %d to %d, %t; reading goes on at %d", first, last, ok, r.Offset())
			}
			if !ok {
				if _, again := r.Next(); again == nil || again.Error() != err.Error() {
					t.Errorf("then %v", again)
				}
				return
			}
			for err = nil; err == nil; {
				if _, err = r.Next(); err == nil {
					_, err = r.Read(&got, math.MaxInt)
				}
			}
			if err != io.EOF || len(got.Messages) != test.behind {
				t.Errorf("%d messages behind it, %v", len(got.Messages), err)
			}
		})
	}
}

// TestSkipInTheMiddle: messages before the one that cannot be read have been
// read, and are not left out.
func TestSkipInTheMiddle(t *testing.T) {
	b := finish(t, sixtyAt(0)[:5], anonymous, nil)
	at := HeaderSize
	for range 3 {
		_, rest, err := cutRecord(b[at:])
		if err != nil {
			t.Fatal(err)
		}
		at = len(b) - len(rest)
	}
	b[at] = 1
	sum := bitwise(b[21:])
	b[17], b[18], b[19], b[20] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
	var r Reader
	r.Reset("orders/3", b, 0)
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	var got Records
	if _, err := r.Read(&got, math.MaxInt); err == nil || len(got.Messages) != 3 {
		t.Fatalf("%d messages, %v", len(got.Messages), err)
	}
	if first, last, ok := r.Skip(); !ok || first != 3 || last != 4 {
		t.Errorf("skipped %d to %d, %t", first, last, ok)
	}
}

func sixtyAt(base int64) []pipeline.Message {
	msgs := make([]pipeline.Message, 60)
	for i := range msgs {
		msgs[i] = pipeline.Message{Value: []byte{byte(i)}, Time: time.UnixMilli(base)}
	}
	return msgs
}
