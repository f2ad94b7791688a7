package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// zstdFrame is a frame of blocks with the window of the descriptor byte, RFC
// 8878.
func zstdFrame(window byte, blocks ...[]byte) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, window}
	for i, block := range blocks {
		if i == len(blocks)-1 {
			block[0] |= 1
		}
		b = append(b, block...)
	}
	return b
}

func zstdBlock(kind, size int, content ...byte) []byte {
	h := uint32(kind<<1 | size<<3)
	return append([]byte{byte(h), byte(h >> 8), byte(h >> 16)}, content...)
}

func zstdRaw(content []byte) []byte { return zstdBlock(0, len(content), content...) }

// zeros are n KiB of zeros in a few bytes.
func zeros(n int) (blocks [][]byte) {
	for ; n > 0; n -= 128 {
		blocks = append(blocks, zstdBlock(1, min(n, 128)<<10, 0))
	}
	return blocks
}

const window128K = 7 << 3 // 2^(10+7)

// zeroRecord has a value of n KiB of zeros.
func zeroRecord(offset, n int) [][]byte {
	body := appendVarint([]byte{0, 0}, int64(offset))
	body = appendVarint(append(body, 1), int64(n<<10))
	head := append(appendVarint(nil, int64(len(body)+n<<10+1)), body...)
	blocks := append([][]byte{zstdRaw(head)}, zeros(n)...)
	return append(blocks, zstdRaw([]byte{0}))
}

func zstdBatch(count int, body []byte) []byte {
	return encode(8812, nil, func(b *kmsg.RecordBatch) {
		b.Attributes, b.Records, b.NumRecords, b.LastOffsetDelta = int16(Zstd), body, int32(count), int32(count-1)
	})
}

// allocated runs f and says how many bytes it allocated, all in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A batch of less than 1 MiB that inflates to 512 MiB is refused, and never in
// memory.
func TestBombs(t *testing.T) {
	var many [][]byte
	for i := range 512 {
		many = append(many, zeroRecord(i, 1024)...)
	}
	xerialBlocks := append(append([]byte{}, xerial...), 0, 0, 0, 1, 0, 0, 0, 1)
	snappyBlock := binary.AppendUvarint(nil, math.MaxUint32)
	xerialBlocks = append(xerialBlocks, 0, 0, 0, byte(len(snappyBlock)))
	xerialBlocks = append(xerialBlocks, snappyBlock...)
	snappy := func(b []byte) []byte {
		return encode(8812, awkward[:1], func(k *kmsg.RecordBatch) { k.Attributes, k.Records = int16(Snappy), b })
	}
	single := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0}, 0, 0, 0, 0x20, 0, 0, 0, 0) // content size 2^29
	single = append(single, zstdFrame(0, zeroRecord(0, 16<<10)...)[6:]...)
	large := zstdFrame(19<<3, zeroRecord(0, 1)...)
	tests := map[string]struct {
		set  []byte
		most uint64 // MiB allocated
		want error
	}{
		"512 MiB of records":                     {zstdBatch(512, zstdFrame(window128K, many...)), 8, ErrTooLarge},
		"a record of 512 MiB":                    {zstdBatch(1, zstdFrame(window128K, zeroRecord(0, 512<<10)...)), 4, ErrTooLarge},
		"a window of 512 MiB":                    {zstdBatch(1, zstdFrame(19<<3, zeroRecord(0, 16<<10)...)), 4, ErrTooLarge},
		"a single segment, 512 MiB":              {zstdBatch(1, single), 4, ErrTooLarge},
		"a window of 512 MiB that is not needed": {zstdBatch(1, large), 4, nil},
		"second frame":                           {zstdBatch(16, append(zstdFrame(window128K, zstdRaw(nil)), zstdFrame(19<<3, zeroRecord(0, 16<<10)...)...)), 4, ErrTooLarge},
		"snappy block":                           {snappy(append(snappyBlock, 0)), 4, ErrTooLarge},
		"snappy blocks of Java":                  {snappy(xerialBlocks), 4, ErrTooLarge},
		"snappy frame too long":                  {snappy(append(append([]byte{}, xerialBlocks[:16]...), 0x7f, 0xff, 0xff, 0xff, 1)), 4, ErrCompression},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if len(test.set) > 1<<20 {
				t.Fatalf("%d bytes", len(test.set))
			}
			used, err := readBomb(&Codecs{}, test.set)
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if used > test.most<<20 {
				t.Errorf("%d MiB allocated", used>>20)
			}
		})
	}
}

// readBomb reads a batch in reads of 1 MiB and returns how many bytes that
// allocated.
func readBomb(codecs *Codecs, set []byte) (used uint64, err error) {
	r := Reader{Codecs: codecs}
	var into Records
	used = allocated(func() {
		r.Reset("orders/3", set, 0)
		if _, err = r.Next(); err != nil {
			return
		}
		for more := true; more && err == nil; {
			into.Reset()
			more, err = r.Read(&into, 1<<20)
		}
	})
	return used, err
}

// A batch within the limits is read, in memory of a read's size.
func TestInflatesPieceByPiece(t *testing.T) {
	var many [][]byte
	for i := range 64 {
		many = append(many, zeroRecord(i, 1024)...)
	}
	set := zstdBatch(64, zstdFrame(window128K, many...))
	count := 0
	used := allocated(func() {
		var r Reader
		var into Records
		r.Reset("orders/3", set, 0)
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		for more := true; more; {
			var err error
			into.Reset()
			if more, err = r.Read(&into, 1<<20); err != nil {
				t.Fatal(err)
			}
			for i := range into.Messages {
				if v := into.Messages[i].Value; len(v) != 1<<20 || bytes.Count(v, []byte{0}) != 1<<20 {
					t.Fatal("value of", len(v))
				}
				count++
			}
		}
	})
	if count != 64 || used > 10<<20 {
		t.Errorf("%d records, %d MiB allocated for 64 MiB", count, used>>20)
	}
}

func TestLimits(t *testing.T) {
	set := zstdBatch(8, zstdFrame(window128K, func() (b [][]byte) {
		for i := range 8 {
			b = append(b, zeroRecord(i, 256)...)
		}
		return b
	}()...))
	for _, test := range []struct {
		limits Limits
		want   error
	}{
		{Limits{}, nil},
		{Limits{Batch: 3 << 20}, nil},
		{Limits{Batch: 2 << 20}, ErrTooLarge},
		{Limits{Piece: 257 << 10}, nil},
		{Limits{Piece: 256 << 10}, ErrTooLarge},
	} {
		r := Reader{Limits: test.limits}
		r.Reset("orders/3", set, 0)
		if _, _, err := readAll(&r, math.MaxInt); !errors.Is(err, test.want) {
			t.Errorf("%+v: %v, want %v", test.limits, err, test.want)
		}
	}
}

// Compressed bytes that are cut or followed by others are refused, also where
// the codec would take them.
func TestDamagedCompression(t *testing.T) {
	for i := range codecs {
		t.Run(codecs[i].is.String(), func(t *testing.T) {
			for name, damage := range map[string]func([]byte) []byte{
				"cut":   func(b []byte) []byte { return b[:len(b)-1] },
				"half":  func(b []byte) []byte { return b[:len(b)/2] },
				"empty": func(b []byte) []byte { return nil },
			} {
				set := encode(0, awkward, func(b *kmsg.RecordBatch) {
					compressed(t, i)(b)
					b.Records = damage(b.Records)
				})
				if _, err := read(set, 0); !errors.Is(err, ErrCompression) && !errors.Is(err, ErrMalformed) {
					t.Errorf("%s: %v", name, err)
				}
			}
			more := encode(0, awkward, func(b *kmsg.RecordBatch) {
				b.Records = append(b.Records, "more"...)
				compressed(t, i)(b)
			})
			if _, err := read(more, 0); !errors.Is(err, ErrMalformed) {
				t.Errorf("bytes behind the last record: %v", err)
			}
			fewer := encode(0, awkward, func(b *kmsg.RecordBatch) {
				b.NumRecords++
				compressed(t, i)(b)
			})
			if _, err := read(fewer, 0); !errors.Is(err, ErrMalformed) {
				t.Errorf("a record is missing: %v", err)
			}
		})
	}
}

// A batch may be left in the middle, and its codec with it.
func TestLeavesCompressedBatches(t *testing.T) {
	for i := range codecs {
		var r Reader
		for range 3 {
			set := append(encode(0, awkward, compressed(t, i)), encode(2000, awkward, compressed(t, i))...)
			r.Reset("orders/3", set, 0)
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
			var into Records
			if more, err := r.Read(&into, 1); !more || err != nil {
				t.Fatal(more, err)
			}
			got, _, err := readAll(&r, math.MaxInt)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, got, messages(2000, awkward))
			r.Close()
		}
	}
}

// Bytes that are inflated and not yet read are the Reader's own: the Records
// before may be filled with anything.
func TestWhatIsLeftIsCopied(t *testing.T) {
	records := make([]raw, 500)
	for i := range records {
		records[i] = raw{offset: int64(i), value: bytes.Repeat([]byte{byte(i)}, 300)}
	}
	want := messages(0, records)
	for i := range codecs {
		set := encode(0, records, compressed(t, i))
		noise := encode(0, []raw{{value: bytes.Repeat([]byte("noise"), 20_000)}}, compressed(t, i))
		var r, other Reader
		var turns [2]Records
		r.Reset("orders/3", set, 0)
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		var got []pipeline.Message
		for turn, more := 0, true; more; turn++ {
			into := &turns[turn%2]
			into.Reset()
			var err error
			if more, err = r.Read(into, 20_000); err != nil {
				t.Fatal(err)
			}
			for _, m := range into.Messages {
				m.Value = bytes.Clone(m.Value)
				got = append(got, m)
			}
			into.Reset()
			other.Reset("noise", noise, 0)
			if _, err := other.Next(); err != nil {
				t.Fatal(err)
			}
			if _, err := other.Read(into, math.MaxInt); err != nil {
				t.Fatal(err)
			}
		}
		wantEqual(t, got, want)
	}
}
