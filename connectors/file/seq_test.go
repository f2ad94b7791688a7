package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// seqOf returns the bytes of a complete seq file.
func seqOf(t testing.TB, msgs ...pipeline.Message) []byte {
	t.Helper()
	e := newSeqEncoder(testArchive(), limits{record: 1 << 20, headers: 100})
	b := e.begin(nil)
	for i := range msgs {
		var err error
		if b, err = e.append(b, &msgs[i]); err != nil {
			t.Fatal(err)
		}
	}
	b, err := e.end(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readSeq(t testing.TB, b []byte) ([]pipeline.Message, error) {
	t.Helper()
	o := sourceOptions(Stream, Seq)
	o.Stdin = bytes.NewReader(b)
	return read(t, o)
}

// appendSeq appends messages to the seq b and returns what it has become.
func appendSeq(t testing.TB, b []byte, a Archive, msgs ...pipeline.Message) ([]byte, error) {
	t.Helper()
	d := newMemDisk()
	d.names["out"] = &memFile{now: bytes.Clone(b)}
	s := newSink(t, SinkOptions{Path: "out", Format: Seq, Archive: a, Append: true})
	s.disk = d
	w, err := s.Open(t.Context(), nil)
	if err == nil {
		err = errors.Join(w.Write(t.Context(), msgs, &pipeline.Progress{Messages: len(msgs)}), w.Close(t.Context()))
	}
	return d.names["out"].now, err
}

// starts returns where the records of a seq begin, and its length.
func starts(b []byte) []int {
	var s []int
	for i := len(seqMagic); i < len(b); i += frameSize + int(binary.BigEndian.Uint32(b[i:])) {
		s = append(s, i)
	}
	return append(s, len(b))
}

// frame returns a record with the right length and checksum.
func frame(content ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(content)))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(content, castagnoli))
	return append(b, content...)
}

func TestSeqLayout(t *testing.T) {
	b := seqOf(t, pipeline.Message{Key: []byte("k"), Time: time.UnixMilli(1000), Value: []byte("v")})
	want := append([]byte(seqMagic), frame(append([]byte{0}, "\x85\x41k\x80\x19\x03\xe8\xf6\x41v"...)...)...)
	if !bytes.HasPrefix(b, want) {
		t.Fatalf("got % x\nwant % x", b, want)
	}
	end := b[len(want)+frameSize:]
	if !bytes.HasPrefix(end, []byte("\x01\x85\xf6\x80\x00\xf6\x58\x30\x00\x00\x00\x00\x00\x00\x00\x01")) {
		t.Fatalf("end record % x", end)
	}
	empty := seqOf(t)
	if got, err := readSeq(t, empty); len(got) != 0 || err != nil {
		t.Fatalf("empty archive: %d messages, %v", len(got), err)
	}
}

func TestSeqEveryTruncation(t *testing.T) {
	want := messages(4)
	b := seqOf(t, want...)
	at := starts(b)
	for n := range b {
		got, err := readSeq(t, b[:n])
		if !errors.Is(err, ErrTruncated) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(b), err)
		}
		whole := 0
		for whole < len(want) && at[whole+1] <= n {
			whole++
		}
		equal(t, want[:whole], got)
	}
}

// TestSeqEveryFlip checks that no bit of a file can change without an error.
func TestSeqEveryFlip(t *testing.T) {
	want := []pipeline.Message{{Key: []byte("k"), Value: []byte("a value that is an envelope")}, {Value: []byte("another one, as long")}}
	b := seqOf(t, want...)
	for bit := range 8 * len(b) {
		c := bytes.Clone(b)
		c[bit/8] ^= 1 << (bit % 8)
		got, err := readSeq(t, c)
		if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrTooLarge) {
			t.Fatalf("bit %d: %v", bit, err)
		}
		equal(t, want[:len(got)], got)
	}
}

func TestSeqRearranged(t *testing.T) {
	msgs := messages(3)
	b := seqOf(t, msgs...)
	at := starts(b)
	rec := func(i int) []byte { return b[at[i]:at[i+1]] }
	head, end := b[:len(seqMagic)], rec(3)
	other := seqOf(t, messages(9)[8])
	otherAt := starts(other)
	foreign := other[otherAt[0]:otherAt[1]]
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	body := func(m pipeline.Message) []byte { return appendBody(nil, &m) }
	a := testArchive()
	sealed := newRoll(a.Tag)
	for i := range msgs {
		if err := sealed.add(&msgs[i]); err != nil {
			t.Fatal(err)
		}
	}
	seal := func(count uint64, digest [32]byte) []byte {
		v, _ := a.SealEnd(t.Context(), nil, count, digest)
		return frame(append([]byte{1}, body(*endMessage(v))...)...)
	}
	flipped := func(b []byte) []byte { b = bytes.Clone(b); b[len(b)-1] ^= 1; return b }
	for name, c := range map[string]struct {
		file []byte
		want error
	}{
		"sealed again":       {join(head, rec(0), rec(1), rec(2), seal(3, sealed.digest())), nil},
		"another count":      {join(head, rec(0), rec(1), rec(2), seal(2, sealed.digest())), ErrTampered},
		"another digest":     {join(head, rec(0), rec(1), rec(2), seal(3, [32]byte{})), ErrTampered},
		"flip in a message":  {join(head, rec(0), flipped(rec(1)), rec(2), end), ErrMalformed},
		"flip in the end":    {join(head, rec(0), rec(1), rec(2), flipped(end)), ErrTruncated},
		"as it was":          {join(head, rec(0), rec(1), rec(2), end), nil},
		"end in the middle":  {join(head, rec(0), rec(1), rec(2), end, end), nil},
		"dropped":            {join(head, rec(0), rec(2), end), ErrTampered},
		"swapped":            {join(head, rec(1), rec(0), rec(2), end), ErrTampered},
		"doubled":            {join(head, rec(0), rec(1), rec(2), rec(2), end), ErrTampered},
		"spliced":            {join(head, rec(0), rec(1), foreign, end), ErrTampered},
		"end of another":     {join(head, foreign, end), ErrTampered},
		"end too early":      {join(head, rec(0), rec(1), end, rec(2)), ErrTampered},
		"no end":             {join(head, rec(0), rec(1), rec(2)), ErrTruncated},
		"behind the end":     {join(head, rec(0), rec(1), rec(2), end, rec(2)), ErrTruncated},
		"trailing bytes":     {join(b, []byte("x")), ErrTruncated},
		"8 zeros at the end": {join(b, make([]byte, 8)), ErrTruncated},
		"trailing zeros":     {join(b, make([]byte, 64)), ErrMalformed},
		"zeros, then more":   {join(head, rec(0), make([]byte, 8), rec(1), rec(2), end), ErrMalformed},
		"empty":              {nil, ErrTruncated},
		"another format":     {[]byte(`{"value":"v"}`), ErrMalformed},
		"unknown type":       {join(head, frame(append([]byte{2}, body(msgs[0])...)...), end), ErrMalformed},
		"no body":            {join(head, frame(0), end), ErrMalformed},
		"body and more":      {join(head, frame(append(append([]byte{0}, body(msgs[0])...), 0)...), end), ErrMalformed},
		"unsealed end":       {join(head, frame(append([]byte{1}, body(*endMessage([]byte("x")))...)...)), errSeal},
		"end with a key":     {join(head, frame(append([]byte{1}, body(pipeline.Message{Key: []byte("k"), Time: endMessage(nil).Time, Value: []byte("x")})...)...)), ErrMalformed},
		"end with a time":    {join(head, frame(append([]byte{1}, body(pipeline.Message{Value: []byte("x")})...)...)), ErrMalformed},
		"end without a seal": {join(head, frame(append([]byte{1}, body(*endMessage(nil))...)...)), ErrMalformed},
		"claims 4 GiB, ends": {join(head, []byte("\xff\xff\xff\xff\x00\x00\x00\x00")), ErrTruncated},
		"claims 4 GiB":       {join(head, []byte("\xff\xff\xff\xff\x00\x00\x00\x00\x00")), ErrTooLarge},
		"claims 64 MiB":      {join(head, []byte("\x04\x00\x00\x00\x00\x00\x00\x00\x00")), ErrTruncated},
	} {
		if _, err := readSeq(t, c.file); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// TestSeqUntagged checks that a message whose tag cannot be found is handed on, and that the end
// record then does not fit.
func TestSeqUntagged(t *testing.T) {
	msgs := messages(3)
	o := sourceOptions(store(t, temp(t, "a.scx"), seqOf(t, msgs...)), Seq)
	tag, n := o.Archive.Tag, 0
	o.Archive.Tag = func(dst []byte, m *pipeline.Message) ([]byte, error) {
		if n++; n == 2 {
			return nil, errors.New("not an envelope")
		}
		return tag(dst, m)
	}
	got, err := read(t, o)
	if !errors.Is(err, ErrTampered) {
		t.Fatal(err)
	}
	equal(t, msgs, got)
}

func TestSeqAppend(t *testing.T) {
	msgs := messages(6)
	path := temp(t, "a.scx")
	o := sinkOptions(path, Seq)
	o.Append = true
	for i := 0; i < len(msgs); i += 2 {
		if err := write(t, o, msgs[i:i+2]...); err != nil {
			t.Fatal(err)
		}
		got, err := read(t, sourceOptions(path, Seq))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, msgs[:i+2], got)
	}
	ends := 0
	b := load(t, path)
	for _, at := range starts(b)[:len(starts(b))-1] {
		ends += int(b[at+frameSize])
	}
	if ends != 3 {
		t.Fatalf("%d end records", ends)
	}
}

// TestSeqAppendTorn cuts the last write at every byte and fills some of the rest with zeros.
func TestSeqAppendTorn(t *testing.T) {
	msgs := messages(4)
	b := seqOf(t, msgs[:3]...)
	at := starts(b)
	for n := at[2] - 1; n < len(b); n++ { // from within the second message to within the end record
		for _, zeros := range []int{0, 1, 40, len(b) - n} {
			whole := 0
			for whole < 3 && at[whole+1] <= n {
				whole++
			}
			torn := append(bytes.Clone(b[:n]), make([]byte, zeros)...)
			grown, err := appendSeq(t, torn, testArchive(), msgs[3])
			if err != nil {
				t.Fatalf("cut to %d and %d zeros: %v", n, zeros, err)
			}
			got, err := readSeq(t, grown)
			if err != nil {
				t.Fatalf("cut to %d and %d zeros, appended: %v", n, zeros, err)
			}
			if len(got) == whole+2 && zeros > 0 { // the zeros were those of the record itself
				whole++
			}
			equal(t, append(copyOf(msgs[:whole]), msgs[3]), got)
		}
	}
}

func copyOf(m []pipeline.Message) []pipeline.Message { return append([]pipeline.Message(nil), m...) }

// TestSeqAppendDamaged checks that damage further up costs no record behind it.
func TestSeqAppendDamaged(t *testing.T) {
	b := seqOf(t, messages(4)...)
	at := starts(b)
	for bit := range 8 * 20 { // length, checksum, type and some of the body of the second record
		c := bytes.Clone(b)
		c[at[1]+bit/8] ^= 1 << (bit % 8)
		after, err := appendSeq(t, c, testArchive())
		if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
			t.Errorf("bit %d: %v", bit, err)
		}
		if !bytes.Equal(after, c) {
			t.Errorf("bit %d: the file was changed", bit)
		}
	}
}

func TestSeqAppendChecksSeals(t *testing.T) {
	b := seqOf(t, messages(3)...)
	at := starts(b)
	c := append(bytes.Clone(b[:at[0]]), b[at[1]:]...) // the first message is gone
	if _, err := appendSeq(t, c, testArchive()); !errors.Is(err, ErrTampered) {
		t.Error(err)
	}
	blind := testArchive()
	blind.OpenEnd = nil
	if _, err := appendSeq(t, c, blind); err != nil {
		t.Error(err)
	}
}

func TestSeqLimits(t *testing.T) {
	m := pipeline.Message{Value: make([]byte, 100), Headers: make([]pipeline.Header, 3)}
	for reason, change := range map[string]func(*SinkOptions){
		"too-large": func(o *SinkOptions) { o.MaxRecord = 80 },
		"header":    func(o *SinkOptions) { o.MaxHeaders = 2 },
	} {
		for _, f := range []Format{NDJSON, Seq} {
			o := sinkOptions(temp(t, "a"), f)
			change(&o)
			if err := write(t, o, m); reasonOf(err) != reason {
				t.Errorf("%s written: %v", f, err)
			}
			path := temp(t, "b")
			if err := write(t, sinkOptions(path, f), m); err != nil {
				t.Fatal(err)
			}
			from := sourceOptions(path, f)
			from.MaxRecord, from.MaxHeaders = o.MaxRecord, o.MaxHeaders
			if _, err := read(t, from); !errors.Is(err, ErrTooLarge) {
				t.Errorf("%s read: %v", f, err)
			}
		}
	}
}

// FuzzSeq checks that no input makes the reader panic, and that what it takes to the end is what the
// writer writes.
func FuzzSeq(f *testing.F) {
	b := seqOf(f, messages(3)...)
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Add([]byte(seqMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		o := sourceOptions(Stream, Seq)
		o.Stdin = bytes.NewReader(b)
		o.MaxRecord = 1 << 16
		got, err := read(t, o)
		if err != nil {
			return
		}
		if want := seqOf(t, got...); len(starts(b)) == len(starts(want)) && !bytes.Equal(b, want) {
			t.Fatal(fmt.Errorf("% x, written again % x", b, want))
		}
	})
}
