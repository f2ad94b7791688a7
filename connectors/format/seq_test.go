package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// seqOf returns the bytes of a complete seq file.
func seqOf(t testing.TB, msgs ...pipeline.Message) []byte {
	t.Helper()
	e := newSeqEncoder(testArchive(), limits{record: 1 << 20, headers: 100})
	b := e.Begin(nil)
	for i := range msgs {
		var err error
		if b, err = e.Append(b, &msgs[i]); err != nil {
			t.Fatal(err)
		}
	}
	b, err := e.End(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readSeq(t testing.TB, b []byte) ([]pipeline.Message, error) {
	t.Helper()
	return readAll(t, reading(t, Options{Format: Seq}), b)
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
	want := formattest.Messages(4)
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
		formattest.RequireEqual(t, want[:whole], got)
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
		formattest.RequireEqual(t, want[:len(got)], got)
	}
}

func TestSeqRearranged(t *testing.T) {
	msgs := formattest.Messages(3)
	b := seqOf(t, msgs...)
	at := starts(b)
	rec := func(i int) []byte { return b[at[i]:at[i+1]] }
	head, end := b[:len(seqMagic)], rec(3)
	other := seqOf(t, formattest.Messages(9)[8])
	otherAt := starts(other)
	foreign := other[otherAt[0]:otherAt[1]]
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	body := func(m pipeline.Message) []byte { return appendBody(nil, &m) }
	a := testArchive()
	sealed := newRoll(a.Tag)
	for i := range msgs {
		if err := sealed.addMessage(&msgs[i]); err != nil {
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
		"unsealed end":       {join(head, frame(append([]byte{1}, body(*endMessage([]byte("x")))...)...)), formattest.ErrSeal},
		"end with a key":     {join(head, frame(append([]byte{1}, body(pipeline.Message{Key: []byte("k"), Time: endMessage(nil).Time, Value: []byte("x")})...)...)), ErrMalformed},
		"end with a time":    {join(head, frame(append([]byte{1}, body(pipeline.Message{Value: []byte("x")})...)...)), ErrMalformed},
		"end without a seal": {join(head, frame(append([]byte{1}, body(*endMessage(nil))...)...)), ErrMalformed},
		"claims 4 GiB, ends": {join(head, []byte("\xff\xff\xff\xff\x00\x00\x00\x00")), ErrTruncated},
		"claims 4 GiB":       {join(head, []byte("\xff\xff\xff\xff\x00\x00\x00\x00\x00")), ErrTruncated},
		"claims 64 MiB":      {join(head, []byte("\x04\x00\x00\x00\x00\x00\x00\x00\x00")), ErrTruncated},
	} {
		if _, err := readSeq(t, c.file); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// TestSeqUntagged checks that a message whose tag cannot be found is handed on,
// and that the end record then does not fit.
func TestSeqUntagged(t *testing.T) {
	msgs := formattest.Messages(3)
	o := Options{Format: Seq, Archive: testArchive()}
	tag, n := o.Archive.Tag, 0
	o.Archive.Tag = func(dst []byte, m *pipeline.Message) ([]byte, error) {
		if n++; n == 2 {
			return nil, errors.New("not an envelope")
		}
		return tag(dst, m)
	}
	got, err := readAll(t, reading(t, o), seqOf(t, msgs...))
	if !errors.Is(err, ErrTampered) {
		t.Fatal(err)
	}
	formattest.RequireEqual(t, msgs, got)
}

// FuzzSeq checks that no input makes the reader panic, and that what it takes
// to the end is what the writer writes.
func FuzzSeq(f *testing.F) {
	b := seqOf(f, formattest.Messages(3)...)
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Add([]byte(seqMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readAll(t, reading(t, Options{Format: Seq, MaxRecord: 1 << 16}), b)
		if err != nil {
			return
		}
		if want := seqOf(t, got...); len(starts(b)) == len(starts(want)) && !bytes.Equal(b, want) {
			t.Fatal(fmt.Errorf("% x, written again % x", b, want))
		}
	})
}
