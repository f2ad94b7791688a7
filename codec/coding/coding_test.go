package coding

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/dict"
	"github.com/klauspost/compress/zstd"
)

// order is a small JSON document, another one for each number.
func order(n int) []byte {
	rnd := rand.New(rand.NewPCG(uint64(n), 7))
	b, err := json.Marshal(map[string]any{
		"order_id": 100000 + n, "customer": fmt.Sprintf("C%06d", rnd.IntN(1e6)), "amount": rnd.IntN(1e5),
		"currency": []string{"EUR", "USD", "CHF"}[rnd.IntN(3)], "status": []string{"new", "paid"}[rnd.IntN(2)],
	})
	if err != nil {
		panic(err)
	}
	return b
}

// newDictionary trains one on orders.
func newDictionary(t testing.TB, id uint32) *Dictionary {
	t.Helper()
	var texts [][]byte
	for n := range 400 {
		texts = append(texts, order(n))
	}
	b, err := dict.BuildZstdDict(texts, dict.Options{MaxDictSize: 4 << 10, HashBytes: 6, ZstdDictID: id, ZstdLevel: zstd.SpeedDefault})
	if err != nil {
		t.Fatal(err)
	}
	d, err := ParseDictionary(b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func noise(n int) []byte {
	b := make([]byte, n)
	rnd := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = rnd.Read(b)
	return b
}

// TestRoundTrip: every way to code, in memory and as a stream, gives the
// payload back, and adds no more than MaxSize says.
func TestRoundTrip(t *testing.T) {
	d := newDictionary(t, 77)
	blocks, err := PadBlocks(256)
	if err != nil {
		t.Fatal(err)
	}
	payloads := [][]byte{nil, {0}, {0x80}, {0x80, 0}, order(1), order(2), noise(1000), noise(100_000), bytes.Repeat(order(3), 5000), make([]byte, 300_000)}
	for level := range 20 {
		for _, o := range []Options{
			{Level: level}, {Level: level, Padding: PadPADME()}, {Level: level, Padding: blocks}, {Level: level, Dictionary: d},
			{Level: level, Dictionary: d, Padding: PadPADME()},
		} {
			if o.Dictionary != nil && level == 0 || level > 3 && level < 19 && level%4 != 0 {
				continue
			}
			e, err := NewEncoder(o)
			if err != nil {
				t.Fatal(err)
			}
			decoder := NewDecoder(1 << 20)
			for i, payload := range payloads {
				coded, compressed := e.Code(payload, false)
				if len(coded) > o.MaxSize(len(payload)) || !compressed && !o.Padding.IsSet() && !bytes.Equal(coded, payload) {
					t.Fatalf("%+v, payload %d: %d bytes, MaxSize %d", o, i, len(coded), o.MaxSize(len(payload)))
				}
				c := Coding{Compressed: compressed, Padded: o.Padding.IsSet()}
				if compressed {
					c.Dictionary = o.Dictionary
				}
				checkDecodes(t, decoder, coded, c, payload)
			}
		}
	}
}

func checkDecodes(t *testing.T, d *Decoder, coded []byte, c Coding, payload []byte) {
	t.Helper()
	before := bytes.Clone(coded)
	got, err := d.Append([]byte("x"), coded, c)
	if err != nil || !bytes.Equal(got[1:], payload) {
		t.Fatalf("%+v: %d bytes, %v; want %d", c, len(got)-1, err, len(payload))
	}
	if !bytes.Equal(coded, before) {
		t.Fatal("the input was changed")
	}
	for _, src := range []io.Reader{bytes.NewReader(coded), iotest.OneByteReader(bytes.NewReader(coded)), iotest.DataErrReader(bytes.NewReader(coded))} {
		if got, err := readStream(src, c, 0); err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("%+v: stream of %d bytes, %v; want %d", c, len(got), err, len(payload))
		}
	}
}

func readStream(src io.Reader, c Coding, limit int64) ([]byte, error) {
	r, err := NewReader(src, c, limit)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// TestWriter: what is compressed piece by piece is decoded the same way.
func TestWriter(t *testing.T) {
	d := newDictionary(t, 77)
	for _, dictionary := range []*Dictionary{nil, d} {
		o := Options{Level: 3, Dictionary: dictionary, Padding: PadPADME()}
		payload := bytes.Repeat(order(5), 3000)
		var coded bytes.Buffer
		w, err := o.NewWriter(&coded)
		if err != nil {
			t.Fatal(err)
		}
		for rest := payload; len(rest) > 0; {
			n := min(len(rest), 10_007)
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := o.WritePadding(&coded, int64(coded.Len())); err != nil {
			t.Fatal(err)
		}
		all := coded.Bytes()
		checkDecodes(t, NewDecoder(1<<20), all, Coding{Compressed: true, Padded: true, Dictionary: dictionary}, payload)
	}
}

// TestPADME compares with the values that the paper's formula gives when it is
// worked out by hand: L, floor(log2 L) = E, floor(log2 E) + 1 = S, E - S bits.
func TestPADME(t *testing.T) {
	for length, want := range map[int64]int64{1: 1, 2: 2, 3: 3, 7: 7, 8: 8, 9: 10, 10: 10, 17: 18, 100: 104, 1000: 1024, 1025: 1088, 65537: 67584, 1 << 40: 1 << 40} {
		if got := PadPADME().PaddedSize(length - 1); got != want {
			t.Errorf("%d is padded to %d, want %d", length, got, want)
		}
	}
	blocks, err := PadBlocks(100)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int64]int64{0: 100, 98: 100, 99: 100, 100: 200, 199: 200, 200: 300} {
		if got := blocks.PaddedSize(n); got != want {
			t.Errorf("%d bytes are padded to %d, want %d", n, got, want)
		}
	}
	for _, size := range []int64{-1, 0, 1, 1<<20 + 1} {
		if _, err := PadBlocks(size); err == nil {
			t.Errorf("blocks of %d bytes", size)
		}
	}
	if (Padding{}).PaddedSize(5) != 5 || (Padding{}).IsSet() {
		t.Error("the zero Padding pads")
	}
}

// TestFrameNamesNoDictionary: the envelope says which one it is.
func TestFrameNamesNoDictionary(t *testing.T) {
	for _, id := range []uint32{1, 300, 70_000, 1 << 31} {
		d := newDictionary(t, id)
		e, err := NewEncoder(Options{Level: 3, Dictionary: d})
		if err != nil {
			t.Fatal(err)
		}
		coded, compressed := e.Code(order(7), false)
		h, ok := parseFrameHead(coded)
		if !compressed || !ok || h.idSize != 0 || len(coded) > len(order(7))*2/3 {
			t.Errorf("id %d: %+v, %d of %d bytes", id, h, len(coded), len(order(7)))
		}
		checkDecodes(t, NewDecoder(1000), coded, Coding{Compressed: true, Dictionary: d}, order(7))
	}
}

// TestLimits: an input costs no more memory than its reader allows.
func TestLimits(t *testing.T) {
	e, err := NewEncoder(Options{Level: 3})
	if err != nil {
		t.Fatal(err)
	}
	zeros, _ := e.Code(make([]byte, 1<<20), true)
	zeros = bytes.Clone(zeros)
	for name, test := range map[string]struct {
		coded []byte
		c     Coding
		limit int64
		want  error
	}{
		"a bomb":                  {zeros, Coding{Compressed: true}, 1<<20 - 1, ErrTooLarge},
		"just so":                 {zeros, Coding{Compressed: true}, 1 << 20, nil},
		"not compressed":          {make([]byte, 101), Coding{}, 100, ErrTooLarge},
		"padded":                  {append(make([]byte, 100), 0x80, 0, 0), Coding{Padded: true}, 100, nil},
		"padded, and too large":   {append(make([]byte, 101), 0x80, 0, 0), Coding{Padded: true}, 100, ErrTooLarge},
		"a window of 9 MiB":       {rawFrame(0x69, -1, []byte("a")), Coding{Compressed: true}, 100, ErrTooLarge},
		"a window of 8 MiB":       {rawFrame(0x68, -1, []byte("a")), Coding{Compressed: true}, 100, nil},
		"without a content size":  {rawFrame(0x40, -1, make([]byte, 101)), Coding{Compressed: true}, 100, ErrTooLarge},
		"a size that is too high": {rawFrame(0x40, 200, []byte("a")), Coding{Compressed: true}, 199, ErrTooLarge},
		"a size that is wrong":    {rawFrame(0x40, 200, []byte("a")), Coding{Compressed: true}, 200, ErrMalformed},
	} {
		for door, got := range bothDoors(test.coded, test.c, test.limit) {
			want := test.want
			if door == "memory" && !test.c.Compressed {
				want = nil // it takes no more memory than the coded one
			}
			if !errors.Is(got, want) {
				t.Errorf("%s, %s: %v, want %v", name, door, got, want)
			}
		}
	}
}

// TestLimitIsOfThePayload: bytes that stood in dst before do not count against
// the limit, and stay as they were.
func TestLimitIsOfThePayload(t *testing.T) {
	e, err := NewEncoder(Options{Level: 1})
	if err != nil {
		t.Fatal(err)
	}
	payload := bytes.Repeat([]byte("0123456789"), 20000)
	coded, _ := e.Code(payload, true)
	before := noise(MaxWindow)
	bad := append(bytes.Clone(coded), 0) // found when all has been decoded
	for _, spare := range []int{0, 1000, len(payload), 2 * len(payload)} {
		dst := append(make([]byte, 0, len(before)+spare), before...)
		out, err := NewDecoder(int64(len(payload))).Append(dst, coded, Coding{Compressed: true})
		if err != nil || !bytes.HasPrefix(out, before) || !bytes.Equal(out[len(before):], payload) {
			t.Errorf("%d bytes of room: %d bytes, %v", spare, len(out), err)
		}
		if spare == 1000 && !bytes.Equal(dst[len(dst):cap(dst)], make([]byte, cap(dst)-len(dst))) {
			t.Error("a part of the payload was left behind")
		}
		dst = append(make([]byte, 0, len(before)+spare), before...)
		out, err = NewDecoder(int64(len(payload))).Append(dst, bad, Coding{Compressed: true})
		if err == nil || !bytes.Equal(out, before) || !bytes.Equal(dst[len(dst):cap(dst)], make([]byte, cap(dst)-len(dst))) {
			t.Errorf("%d bytes of room, a bad one: %d bytes, %v", spare, len(out), err)
		}
	}
}

// bothDoors returns the errors of decoding in memory and as a stream.
func bothDoors(coded []byte, c Coding, limit int64) map[string]error {
	_, memory := NewDecoder(limit).Append(nil, coded, c)
	_, stream := readStream(bytes.NewReader(coded), c, limit)
	return map[string]error{"memory": memory, "stream": stream}
}

// rawFrame is a frame of one raw block; without a content size if that is below
// 0.
func rawFrame(window byte, size int, data []byte) []byte {
	b := append([]byte(frameMagic), 0, window)
	if size >= 0 {
		b[4] = 0x80
		b = append(b, byte(size), byte(size>>8), 0, 0)
	}
	n := len(data)<<3 | 1
	b = append(b, byte(n), byte(n>>8), byte(n>>16))
	return append(b, data...)
}

// TestStrict: frames that the library takes, and a reader does not.
func TestStrict(t *testing.T) {
	good := rawFrame(0x40, -1, []byte("payload"))
	reserved := bytes.Clone(good)
	reserved[4] |= 8
	skippable := append([]byte("\x50\x2a\x4d\x18\x01\x00\x00\x00x"), good...)
	named := append([]byte(frameMagic), 1, 0x40, 9, 1|8<<3, 0, 0)
	named = append(named, "payload!"...)
	d := newDictionary(t, 9)
	for name, test := range map[string]struct {
		coded []byte
		c     Coding
	}{
		"nothing":                    {nil, Coding{Compressed: true}},
		"two frames":                 {append(bytes.Clone(good), good...), Coding{Compressed: true}},
		"a skippable frame behind":   {append(bytes.Clone(good), skippable[:9]...), Coding{Compressed: true}},
		"a skippable frame in front": {skippable, Coding{Compressed: true}},
		"a byte behind":              {append(bytes.Clone(good), 0), Coding{Compressed: true}},
		"cut":                        {good[:len(good)-1], Coding{Compressed: true}},
		"cut in its head":            {good[:5], Coding{Compressed: true}},
		"no frame":                   {[]byte("payload, and not a frame"), Coding{Compressed: true}},
		"reserved bit":               {reserved, Coding{Compressed: true}},
		"of a dictionary, unnamed":   {named, Coding{Compressed: true}},
		"of another dictionary":      {named, Coding{Compressed: true, Dictionary: newDictionary(t, 10)}},
		"no mark":                    {[]byte("payload\x00\x00"), Coding{Padded: true}},
		"zeros alone":                {make([]byte, 100), Coding{Padded: true}},
		"no padding":                 {nil, Coding{Padded: true}},
		"padding in front":           {append([]byte{0x80}, good...), Coding{Compressed: true, Padded: true}},
	} {
		for door, got := range bothDoors(test.coded, test.c, 1000) {
			if !errors.Is(got, ErrMalformed) {
				t.Errorf("%s, %s: %v", name, door, got)
			}
		}
	}
	for door, got := range bothDoors(named, Coding{Compressed: true, Dictionary: d}, 1000) {
		if got != nil {
			t.Errorf("named as it should be, %s: %v", door, got)
		}
	}
	for door, got := range bothDoors(good, Coding{Compressed: true}, 1000) {
		if got != nil {
			t.Errorf("good, %s: %v", door, got)
		}
	}
}

// TestStreamErrors: an error of the source is passed on, and no end of it is
// taken for the end of the payload.
func TestStreamErrors(t *testing.T) {
	broken := errors.New("tampered: chunk 3")
	e, err := NewEncoder(Options{Level: 3, Padding: PadPADME()})
	if err != nil {
		t.Fatal(err)
	}
	coded, compressed := e.Code(bytes.Repeat(order(1), 3000), true)
	for n := 0; n < len(coded); n += 97 {
		src := io.MultiReader(bytes.NewReader(coded[:n]), iotest.ErrReader(broken))
		if _, err := readStream(src, Coding{Compressed: compressed, Padded: true}, 0); !errors.Is(err, broken) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
}

func TestParseDictionary(t *testing.T) {
	good := newDictionary(t, 5)
	sum := sha256.Sum256(good.Bytes())
	if good.Sum() != sum || good.Name() != [NameSize]byte(sum[:]) || good.Hint() != [HintSize]byte(sum[:]) {
		t.Error("names of a dictionary")
	}
	for name, b := range map[string][]byte{
		"nothing":    nil,
		"text":       []byte("a text that is no dictionary at all"),
		"cut":        good.Bytes()[:40],
		"magic only": []byte(dictionaryMagic + "\x05\x00\x00\x00"),
		"id 0":       append([]byte(dictionaryMagic+"\x00\x00\x00\x00"), good.Bytes()[8:]...),
		"too large":  append(bytes.Clone(good.Bytes()), make([]byte, MaxDictionary)...),
	} {
		if _, err := ParseDictionary(b); err == nil {
			t.Errorf("%s is a dictionary", name)
		}
	}
	bad := *good
	bad.sum = [32]byte{0, 0, 0, 0, 1}
	if err := bad.CheckSealing(); err == nil {
		t.Error("a dictionary whose hint says that there is none")
	}
	for _, o := range []Options{{Level: -1}, {Level: 20}, {Dictionary: good}, {Level: 1, Dictionary: &bad}} {
		if _, err := NewEncoder(o); err == nil {
			t.Errorf("%+v", o)
		}
	}
}

// FuzzDecode: both ways to decode agree, and a payload is within the limit.
func FuzzDecode(f *testing.F) {
	d := newDictionary(f, 77)
	for _, o := range []Options{{Level: 1}, {Level: 1, Dictionary: d}, {Level: 19, Padding: PadPADME()}} {
		e, err := NewEncoder(o)
		if err != nil {
			f.Fatal(err)
		}
		for _, payload := range [][]byte{order(1), make([]byte, 5000), noise(50)} {
			coded, _ := e.Code(payload, true)
			f.Add(bytes.Clone(coded), o.Padding.IsSet(), o.Dictionary != nil)
		}
	}
	f.Add(rawFrame(0x40, -1, []byte("a")), false, false)
	f.Fuzz(func(t *testing.T, coded []byte, padded, with bool) {
		const limit = 1 << 16
		c := Coding{Compressed: true, Padded: padded}
		if with {
			c.Dictionary = d
		}
		memory, err := NewDecoder(limit).Append(nil, coded, c)
		stream, streamed := readStream(bytes.NewReader(coded), c, limit)
		if (err == nil) != (streamed == nil) {
			t.Fatalf("memory: %v, stream: %v", err, streamed)
		}
		if err == nil && (!bytes.Equal(memory, stream) || len(memory) > limit) {
			t.Fatalf("%d and %d bytes", len(memory), len(stream))
		}
		if err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
			t.Fatal(err)
		}
	})
}
