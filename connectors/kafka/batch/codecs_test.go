package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// batchOf is a batch that has body as its records, as it stands.
func batchOf(c Compression, count int, body []byte) []byte {
	return encode(8812, nil, func(b *kmsg.RecordBatch) {
		b.Attributes, b.Records, b.NumRecords, b.LastOffsetDelta = int16(c), body, int32(count), int32(count-1)
	})
}

// recordOf is a record with a value of n bytes.
func recordOf(value []byte) []byte {
	k := kmsg.Record{Value: value}
	k.Length = int32(len(k.AppendTo(nil)) - 1)
	return k.AppendTo(nil)
}

// sealLZ4 makes the checksum of an LZ4 frame's header right.
func sealLZ4(frame []byte) []byte {
	n := 6
	if frame[4]&lz4ContentSize != 0 {
		n += 8
	}
	frame[n] = byte(sumXXH32(frame[4:n]) >> 8)
	return frame
}

func lz4Frame(t testing.TB, b []byte, options ...lz4.Option) []byte {
	t.Helper()
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	if err := w.Apply(options...); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Few bytes that announce much are refused, or read in the memory that they
// need, and the announced size is never allocated.
func TestHostileSizes(t *testing.T) {
	small := recordOf([]byte("x"))
	frame := func(blocks ...byte) []byte {
		return sealLZ4(append([]byte{4, 0x22, 0x4d, 0x18, 0x60, 0x70, 0}, blocks...))
	}
	large := append(binary.LittleEndian.AppendUint32(nil, 1<<31|uint32(len(small))), small...)
	large = append(large, 0, 0, 0, 0)
	zeros := make([]byte, 16<<20)
	encoder, err := zstd.NewWriter(nil, zstd.WithWindowSize(16<<20), zstd.WithSingleSegment(false))
	if err != nil {
		t.Fatal(err)
	}
	record := recordOf(zeros)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(recordOf(make([]byte, 33<<20))) // into memory
	_ = z.Close()
	tests := map[string]struct {
		codec Compression
		body  []byte
		most  uint64 // KiB allocated
		want  error
	}{
		"gzip of a record of 33 MiB":            {Gzip, zipped.Bytes(), 1024, ErrTooLarge},
		"snappy block of 16 MiB":                {Snappy, snappy.Encode(nil, record), 512, ErrTooLarge},
		"snappy of Java, 16 MiB and a byte":     {Snappy, frameSnappy(snappy.Encode(nil, record), snappy.Encode(nil, small)), 512, ErrTooLarge},
		"snappy block of 4 GiB":                 {Snappy, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0}, 512, ErrTooLarge},
		"lz4 frame of the old kind, 8 MiB":      {LZ4, []byte{2, 0x21, 0x4c, 0x18, 2, 0, 0, 0, 0x10, 'a'}, 512, ErrCompression},
		"lz4 frame of 4 MiB blocks, one byte":   {LZ4, frame(large...), 512, nil},
		"lz4 block larger than a frame's":       {LZ4, frame(0xff, 0xff, 0xff, 0x7f, 1, 2, 3), 512, ErrCompression},
		"lz4 block that goes on for ever":       {LZ4, frame(6, 0, 0, 0, 0x1f, 'a', 1, 0, 255, 255), 512, ErrCompression},
		"lz4 blocks of a size that is reserved": {LZ4, sealLZ4(append([]byte{4, 0x22, 0x4d, 0x18, 0x60, 0xf0, 0}, large...)), 512, ErrCompression},
		"zstd with a window of 16 MiB":          {Zstd, encoder.EncodeAll(record, nil), 512, ErrTooLarge},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			set := batchOf(test.codec, 1, test.body)
			used, err := readBomb(new(Codecs), set)
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if used > test.most<<10 {
				t.Errorf("%d KiB allocated", used>>10)
			}
		})
	}
}

// frameSnappy frames blocks as Java clients do.
func frameSnappy(blocks ...[]byte) []byte {
	framed := append(slices.Clone(xerial), 0, 0, 0, 1, 0, 0, 0, 1)
	for _, block := range blocks {
		framed = append(binary.BigEndian.AppendUint32(framed, uint32(len(block))), block...)
	}
	return framed
}

// Batches of all codecs in turns never hold more than the limit, one that needs
// more is refused by name, and once every decoder is made nothing is allocated.
func TestCodecMemory(t *testing.T) {
	value := make([]byte, 3<<20)
	for i := range value {
		value[i] = "0123456789abcdef"[rand.IntN(16)]
		if i%100 > 30 {
			value[i] = value[i-30]
		}
	}
	body := recordOf(value)
	stream := func(window int) []byte {
		var out bytes.Buffer
		w, err := zstd.NewWriter(&out, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		for b := body; len(b) > 0; b = b[min(len(b), 1<<20):] {
			if _, err := w.Write(b[:min(len(b), 1<<20)]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(body); err != nil || z.Close() != nil {
		t.Fatal("gzip")
	}
	sets := [][]byte{
		batchOf(Gzip, 1, zipped.Bytes()),
		batchOf(Snappy, 1, snappy.Encode(nil, body)),
		batchOf(LZ4, 1, lz4Frame(t, body)),
		batchOf(Zstd, 1, stream(2<<20)), // as a stream
		batchOf(Zstd, 1, stream(8<<20)), // at once
		batchOf(LZ4, 1, lz4Frame(t, body, lz4.BlockSizeOption(lz4.Block64Kb))),
	}
	for _, limit := range []int{0, MinCodecMemory, 7 << 20} {
		c := &Codecs{Limit: limit}
		for turn := range 2 * len(sets) {
			if _, err := readBomb(c, sets[turn%len(sets)]); err != nil {
				t.Errorf("limit %d, set %d: %v", limit, turn%len(sets), err)
			}
			if c.countHeld() > c.blockLimit() {
				t.Errorf("limit %d, set %d: %d bytes are held", limit, turn%len(sets), c.countHeld())
			}
			if c.taken {
				t.Fatal("the batch is over and its decoder is taken")
			}
		}
	}
	// Once warm, the record itself is all that is allocated.
	c := new(Codecs)
	r, into := Reader{Codecs: c}, Records{}
	for i, set := range slices.Concat(sets, sets) {
		used := allocated(func() {
			into.Reset()
			r.Reset("orders/3", set, 0)
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Read(&into, 1); err != nil {
				t.Fatal(err)
			}
		})
		if i >= len(sets) && used > 3<<20+256<<10 {
			t.Errorf("set %d: %d KiB allocated", i-len(sets), used>>10)
		}
	}
	tight := &Codecs{Limit: MinCodecMemory - lz4Window - 2<<20} // 2 MiB of blocks
	for i, want := range []error{nil, ErrTooLarge, ErrTooLarge, ErrTooLarge, ErrTooLarge, nil} {
		if _, err := readBomb(tight, sets[i]); !errors.Is(err, want) {
			t.Errorf("tight, set %d: %v, want %v", i, err, want)
		}
	}
}

// The decoders' own memory is within the part of the limit that is for it.
func TestDecoderMemory(t *testing.T) {
	body := recordOf(bytes.Repeat([]byte("abcdefgh0123"), 20_000))
	encoder, err := zstd.NewWriter(nil, zstd.WithWindowSize(1<<10), zstd.WithSingleSegment(false))
	if err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(body); err != nil || z.Close() != nil {
		t.Fatal("gzip")
	}
	sets := [][]byte{
		batchOf(Zstd, 1, encoder.EncodeAll(body, nil)), batchOf(Gzip, 1, zipped.Bytes()),
		batchOf(LZ4, 1, linkedFrame(t, body)),
	}
	c, sum := new(Codecs), uint64(0)
	for _, set := range sets {
		used, err := readBomb(c, set)
		if err != nil {
			t.Fatal(err)
		}
		sum += used
	}
	records := uint64(len(sets)) * 256 << 10
	if sum > records+uint64(c.countHeld())+decoderMemory {
		t.Errorf("%d KiB are allocated beside records and %d KiB of blocks", (sum-records)>>10, c.countHeld()>>10)
	}
}

// linkedFrame makes an LZ4 frame with blocks that reach back into those before
// them, with all checksums and its size.
func linkedFrame(t testing.TB, b []byte) []byte {
	t.Helper()
	f := []byte{4, 0x22, 0x4d, 0x18, lz4Version | lz4BlockChecksum | lz4ContentSize | lz4ContentChecksum, 0x40}
	f = binary.LittleEndian.AppendUint64(f, uint64(len(b)))
	f = sealLZ4(append(f, 0))
	for from := 0; from < len(b); {
		n := min(60<<10, len(b)-from)
		block := compressLinked(b[:from+n], from)
		f = binary.LittleEndian.AppendUint32(f, uint32(len(block)))
		f = append(f, block...)
		f = binary.LittleEndian.AppendUint32(f, sumXXH32(block))
		from += n
	}
	f = append(f, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(f, sumXXH32(b))
}

// compressLinked compresses b[from:] into one block: a copy of the bytes at a
// distance of period, as far as they are the same, and literals.
func compressLinked(b []byte, from int) (out []byte) {
	const period = 60_000
	literals := func(l []byte, match int) {
		token := byte(min(15, len(l))<<4) | byte(min(15, max(0, match-4)))
		out = append(out, token)
		for n := len(l) - 15; n >= 0 && len(l) >= 15; n -= 255 {
			out = append(out, byte(min(255, n)))
			if n < 255 {
				break
			}
		}
		out = append(out, l...)
		if match == 0 {
			return
		}
		out = binary.LittleEndian.AppendUint16(out, period)
		for n := match - 4 - 15; n >= 0; n -= 255 {
			out = append(out, byte(min(255, n)))
			if n < 255 {
				break
			}
		}
	}
	end := len(b) - 12
	match := 0
	for from >= period && from+match < end && b[from+match] == b[from+match-period] {
		match++
	}
	if match < 4 {
		literals(b[from:], 0)
		return out
	}
	literals(nil, match)
	literals(b[from+match:], 0)
	return out
}

// All that the lz4 library reads is read here, to the same bytes, and frames
// that it refuses are refused.
func TestEqualToLZ4Library(t *testing.T) {
	var repeated []byte
	for i := range 300_000 {
		repeated = append(repeated, byte(i%60_000*7919>>8), byte(i%60_000))
	}
	digits := make([]byte, 300_000)
	for i := range digits {
		digits[i] = "0123456789"[rand.IntN(10)]
	}
	noise := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	frames := map[string][]byte{
		"empty": nil, "linked": linkedFrame(t, repeated[:250_000]),
		"size": lz4Frame(t, digits, lz4.SizeOption(uint64(len(digits)))),
	}
	for name, content := range map[string][]byte{
		"nothing": {}, "a byte": {7}, "repeated": repeated, "digits": digits, "noise": noise,
		"zeros": make([]byte, 4<<20+1),
	} {
		for _, size := range []lz4.BlockSize{lz4.Block64Kb, lz4.Block256Kb, lz4.Block1Mb, lz4.Block4Mb} {
			for _, sums := range []bool{false, true} {
				frames[fmt.Sprint(name, size, sums)] = lz4Frame(t, content,
					lz4.BlockSizeOption(size), lz4.ChecksumOption(sums), lz4.BlockChecksumOption(sums))
			}
		}
	}
	frames["two"] = slices.Concat(frames["size"], []byte{0x51, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3}, frames["linked"])
	frames["old"] = lz4Frame(t, digits, lz4.LegacyOption(true))
	var c Codecs
	for name, frame := range frames {
		if len(frame) == 0 || name == "old" {
			continue
		}
		for range min(3, 1<<20/len(frame)) {
			damaged := slices.Clone(frame)
			damaged[rand.IntN(min(len(frame), 40))] ^= 1 << rand.IntN(8)
			damaged[rand.IntN(len(frame))] ^= 1
			compareLZ4(t, &c, name+", damaged", damaged, true)
			compareLZ4(t, &c, name+", cut", frame[:rand.IntN(len(frame))], true)
		}
		compareLZ4(t, &c, name, frame, false)
	}
	for name, frame := range lyingFrames(t) {
		if _, err := io.ReadAll(lz4.NewReader(bytes.NewReader(frame))); err == nil {
			t.Fatalf("%s: the library reads it", name)
		}
		if _, err := inflate(&c, LZ4, frame); err == nil {
			t.Errorf("%s: read", name)
		}
	}
	if _, err := inflate(&c, LZ4, frames["old"]); err == nil {
		t.Error("a frame of the old format is read; no Kafka client knows it")
	}
}

// lyingFrames are frames of parts that are each right and do not fit together.
func lyingFrames(t testing.TB) map[string][]byte {
	short := lz4Frame(t, []byte("abcdefgh"), lz4.SizeOption(8), lz4.ChecksumOption(false))
	short[6]++
	sealLZ4(short)
	head := sealLZ4([]byte{4, 0x22, 0x4d, 0x18, 0x60, 0x40, 0}) // blocks of 64 KiB
	plain := binary.LittleEndian.AppendUint32(slices.Clone(head), 1<<31|70_000)
	plain = append(plain, make([]byte, 70_004)...)
	block := make([]byte, 1000)
	n, err := lz4.CompressBlock(make([]byte, 100_000), block, nil)
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	inflated := binary.LittleEndian.AppendUint32(slices.Clone(head), uint32(n))
	inflated = append(append(inflated, block[:n]...), 0, 0, 0, 0)
	return map[string][]byte{
		"more than the size": short, "a plain block larger than the frame's": plain,
		"a block that inflates to more than the frame's": inflated,
	}
}

// A batch that was left in the middle does not hold the decoder.
func TestLeavesStreamedZstd(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	w, err := zstd.NewWriter(nil, zstd.WithWindowSize(64<<10), zstd.WithSingleSegment(false))
	if err != nil {
		t.Fatal(err)
	}
	streamed, atOnce := w.EncodeAll(content, nil), w.EncodeAll(content[:100], nil)
	var c Codecs
	for range 3 {
		r, err := c.openBody(Zstd, streamed)
		if err != nil || r != io.Reader(c.zstd) {
			t.Fatal(err, "or it is not read as a stream")
		}
		if _, err := r.Read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		c.closeBody()
		if got, err := inflate(&c, Zstd, atOnce); err != nil || string(got) != string(content[:100]) {
			t.Fatal(err)
		}
	}
}

// compareLZ4 compares with the library. A frame that is damaged may be refused
// although the library reads it, not the other way round.
func compareLZ4(t *testing.T, c *Codecs, name string, frame []byte, damaged bool) {
	t.Helper()
	want, wrong := io.ReadAll(lz4.NewReader(bytes.NewReader(frame)))
	got, err := inflate(c, LZ4, frame)
	switch {
	case err == nil && wrong != nil:
		t.Errorf("%s: read, but the library says %v", name, wrong)
	case err != nil && !damaged:
		t.Errorf("%s: %v", name, err)
	case err == nil && !bytes.Equal(got, want):
		t.Errorf("%s: other bytes than the library's", name)
	}
}

// Bytes that the libraries compress, in each of their ways, come out as they
// were.
func TestEqualToLibraries(t *testing.T) {
	text := bytes.Repeat([]byte("abcdefghijklmnopqrstuvwxyz 0123456789 "), 30_000)
	for i := range text {
		if rand.IntN(20) == 0 {
			text[i] = byte(rand.Uint32())
		}
	}
	var c Codecs
	for _, size := range []int{0, 1, 100, 40_000, 130_000, 300_000} {
		content := text[:size]
		forms := map[string][]byte{}
		if size > 0 {
			forms["snappy"] = snappy.Encode(nil, content)
		}
		var blocks [][]byte
		for part := range slices.Chunk(content, 32<<10) {
			blocks = append(blocks, snappy.Encode(nil, part))
		}
		forms["snappy of Java"] = frameSnappy(blocks...)
		for level := gzip.HuffmanOnly; level <= gzip.BestCompression; level++ {
			var out bytes.Buffer
			w, err := gzip.NewWriterLevel(&out, level)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write(content) // into memory
			_ = w.Close()
			forms[fmt.Sprint("gzip ", level)] = out.Bytes()
			forms["gzip, two members"] = slices.Concat(out.Bytes(), forms["gzip -2"])
		}
		for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault} {
			for _, window := range []int{1 << 10, 128 << 10, 8 << 20} {
				var out bytes.Buffer
				w, err := zstd.NewWriter(&out, zstd.WithEncoderLevel(level), zstd.WithWindowSize(window))
				if err != nil {
					t.Fatal(err)
				}
				for part := range slices.Chunk(content, 50_000) {
					_, _ = w.Write(part)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				forms[fmt.Sprint("zstd stream ", level, window)] = out.Bytes()
				whole := w.EncodeAll(content, nil)
				forms[fmt.Sprint("zstd ", level, window)] = whole
				forms[fmt.Sprint("zstd twice ", level, window)] = slices.Concat(whole, whole)
				if need, err := inspectZstd(whole); err != nil || need.content < uint64(size) {
					t.Errorf("%d bytes, %+v, %v", size, need, err)
				}
				if need, err := inspectZstd(slices.Concat(whole, whole)); err != nil || need.content < uint64(2*size) {
					t.Errorf("%d bytes twice, %+v, %v", size, need, err)
				}
			}
		}
		for name, form := range forms {
			want := content
			if name == "gzip, two members" || strings.HasPrefix(name, "zstd twice") {
				want = slices.Concat(content, content)
			}
			compression, _, _ := strings.Cut(name, " ")
			compression = strings.TrimSuffix(compression, ",")
			got, err := inflate(&c, Compression(slices.Index(compressionNames[:], compression)), form)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %s: %d bytes, %v", size, name, len(got), err)
			}
		}
	}
}

func inflate(c *Codecs, compression Compression, body []byte) ([]byte, error) {
	defer c.closeBody()
	r, err := c.openBody(compression, body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// A Reader that finds the decoders taken by another one reads the right bytes
// all the same.
func TestTakenCodecs(t *testing.T) {
	c := new(Codecs)
	for i := range codecs {
		first, second := Reader{Codecs: c}, Reader{Codecs: c}
		set := encode(0, awkward, compressed(t, i))
		first.Reset("orders/3", set, 0)
		if _, err := first.Next(); err != nil {
			t.Fatal(err)
		}
		var into Records
		if more, err := first.Read(&into, 1); !more || err != nil {
			t.Fatal(more, err)
		}
		second.Reset("orders/3", set, 0)
		got, _, err := readAll(&second, 1000)
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, got, messages(0, awkward))
		var rest Records
		if _, err := first.Read(&rest, 1<<30); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, slices.Concat(into.Messages, rest.Messages), messages(0, awkward))
		if c.taken {
			t.Error("still taken")
		}
	}
}

// An encoder takes no more than is counted for it, and is kept.
func TestCompressorMemory(t *testing.T) {
	text := bytes.Repeat([]byte("abcdefghijklmnopqrstuvwxyz 0123456789 "), 30_000)
	for i := range text {
		if rand.IntN(20) == 0 {
			text[i] = byte(rand.Uint32())
		}
	}
	for i := range codecs {
		c := NewCompressor(codecs[i].is)
		shrink := func() {
			records := slices.Clone(text)
			got, is, err := c.shrink(records)
			if err != nil || is != codecs[i].is {
				t.Fatal(is, err)
			}
			back, err := inflate(new(Codecs), is, got)
			if err != nil || !bytes.Equal(back, text) {
				t.Fatalf("%s: %v", is, err)
			}
		}
		shrink()
		out := c.out
		c = NewCompressor(codecs[i].is)
		c.out = make([]byte, 0, cap(out))
		records := slices.Clone(text)
		first := allocated(func() { _, _, _ = c.shrink(records) })
		copy(records, text)
		second := allocated(func() { _, _, _ = c.shrink(records) })
		most := uint64(encoderMemory) // the libraries of snappy and lz4 have pools of their own
		if codecs[i].is == Gzip || codecs[i].is == Zstd {
			most = 64 << 10
		}
		if first > encoderMemory || second > most {
			t.Errorf("%s: %d KiB at first, then %d", codecs[i].is, first>>10, second>>10)
		}
	}
}
