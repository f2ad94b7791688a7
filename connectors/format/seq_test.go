package format

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/codec/archive"
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
	if !bytes.HasPrefix(end, []byte("\x01\x85\xf6\x80\x00\xf6\x58\x45")) {
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
	// seal returns an end behind the messages, changed before it is sealed.
	seal := func(change func(*archive.End), msgs ...pipeline.Message) []byte {
		e := newSeqEncoder(testArchive(), limits{record: 1 << 20, headers: 100})
		for i := range msgs {
			if _, err := e.Append(nil, &msgs[i]); err != nil {
				t.Fatal(err)
			}
		}
		sealed := e.chain.NextEnd([16]byte{1}, 0)
		change(&sealed)
		value, _ := formattest.SealEnd(t.Context(), nil, sealed.Encode())
		return frame(append([]byte{1}, body(endMessage(value))...)...)
	}
	keep := func(*archive.End) {}
	flipped := func(b []byte) []byte { b = bytes.Clone(b); b[len(b)-1] ^= 1; return b }
	for name, c := range map[string]struct {
		file []byte
		want error
	}{
		"sealed again":       {join(head, rec(0), rec(1), rec(2), seal(keep, msgs...)), nil},
		"another count":      {join(head, rec(0), rec(1), rec(2), seal(func(e *archive.End) { e.Count-- }, msgs...)), ErrTampered},
		"another digest":     {join(head, rec(0), rec(1), rec(2), seal(func(e *archive.End) { e.Digest[0]++ }, msgs...)), ErrTampered},
		"flip in a message":  {join(head, rec(0), flipped(rec(1)), rec(2), end), ErrMalformed},
		"flip in the end":    {join(head, rec(0), rec(1), rec(2), flipped(end)), ErrTruncated},
		"as it was":          {join(head, rec(0), rec(1), rec(2), end), nil},
		"second number":      {join(head, rec(0), rec(1), rec(2), seal(func(e *archive.End) { e.Number = 2 }, msgs...)), ErrTampered},
		"the end twice":      {join(head, rec(0), rec(1), rec(2), end, end), ErrTampered},
		"flags of any kind":  {join(head, rec(0), rec(1), rec(2), seal(func(e *archive.End) { e.Flags = 3 }, msgs...)), nil},
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
		"unknown type":       {join(head, frame(append([]byte{4}, body(msgs[0])...)...), end), ErrMalformed},
		"no body":            {join(head, frame(0), end), ErrMalformed},
		"body and more":      {join(head, frame(append(append([]byte{0}, body(msgs[0])...), 0)...), end), ErrMalformed},
		"unsealed end":       {join(head, frame(append([]byte{1}, body(endMessage([]byte("x")))...)...)), formattest.ErrSeal},
		"end with a key":     {join(head, frame(append([]byte{1}, body(pipeline.Message{Key: []byte("k"), Time: time.UnixMilli(0), Value: []byte("x")})...)...)), ErrMalformed},
		"end with a time":    {join(head, frame(append([]byte{1}, body(pipeline.Message{Value: []byte("x")})...)...)), ErrMalformed},
		"end without a seal": {join(head, frame(append([]byte{1}, body(endMessage(nil))...)...)), ErrMalformed},
		"claims 4 GiB, ends": {join(head, []byte("\xff\xff\xff\xff\x00\x00\x00\x00")), ErrTruncated},
		"claims 4 GiB":       {join(head, []byte("\xff\xff\xff\xff\x00\x00\x00\x00\x00")), ErrTruncated},
		"claims 64 MiB":      {join(head, []byte("\x04\x00\x00\x00\x00\x00\x00\x00\x00")), ErrTruncated},
	} {
		if _, err := readSeq(t, c.file); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// endMessage is an end as a message that holds nothing but the sealed value.
func endMessage(value []byte) pipeline.Message {
	return pipeline.Message{Time: time.UnixMilli(0), Value: value}
}

// TestSeqNoEnvelopes: messages that hold no envelope are handed on, and are in
// the digest as they are.
func TestSeqNoEnvelopes(t *testing.T) {
	msgs := formattest.Messages(3)
	o := Options{Format: Seq, Archive: testArchive()}
	o.Archive.Front = func([]byte) ([]byte, bool) { return nil, false }
	got, err := readAll(t, reading(t, o), seqOf(t, msgs...))
	if !errors.Is(err, ErrTampered) {
		t.Fatal(err)
	}
	formattest.RequireEqual(t, msgs, got)
}

// TestSeqOthers: key records, dictionary records and records of types that come
// later are told of, covered by the digest, and no messages.
func TestSeqOthers(t *testing.T) {
	msgs := formattest.Messages(2)
	a := testArchive()
	a.Dictionary = []byte("\xd8\x60dictionary")
	a.KeyRecord = func(e []byte) (name [16]byte, record []byte, ok bool) {
		return [16]byte{byte(len(e))}, []byte("\xd8\x60record"), len(e) > 0
	}
	e := newSeqEncoder(a, limits{record: 1 << 20, headers: 100})
	b := e.Begin(nil)
	for _, i := range []int{0, 0, 1} {
		var err error
		if b, err = e.Append(b, &msgs[i]); err != nil {
			t.Fatal(err)
		}
	}
	later := frame(append([]byte{200}, "later"...)...)
	b = append(b, later...)
	e.addRecord(200, []byte("later"))
	b, err := e.End(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	o := Options{Format: Seq, Archive: testArchive()}
	o.Archive.KeepRecord = func(_ context.Context, r *archive.Record) error {
		told = append(told, fmt.Sprintf("%d/%d/%d", r.Type, r.Index, r.Before))
		return nil
	}
	got, err := readAll(t, reading(t, o), b)
	if err != nil {
		t.Fatal(err)
	}
	formattest.RequireEqual(t, []pipeline.Message{msgs[0], msgs[0], msgs[1]}, got)
	if want := "[3/0/0 2/1/0 2/2/2 200/3/3 1/4/3]"; fmt.Sprint(told) != want {
		t.Errorf("told of %v, want %s", told, want)
	}
	for _, at := range starts(b)[:6] { // no record can be taken out
		n := frameSize + int(binary.BigEndian.Uint32(b[at:]))
		if _, err := readSeq(t, slices.Delete(slices.Clone(b), at, at+n)); !errors.Is(err, ErrTampered) {
			t.Errorf("without the record at %d: %v", at, err)
		}
	}
}

// TestSeqReceipt: an archive that was cut back to an earlier end is truncated,
// and another one tampered with.
func TestSeqReceipt(t *testing.T) {
	var ends []archive.End
	a := testArchive()
	a.NoteEnd = func(e archive.End) { ends = append(ends, e) }
	e := newSeqEncoder(a, limits{record: 1 << 20, headers: 100})
	b := e.Begin(nil)
	var files [][]byte
	for i, m := range formattest.Messages(3) {
		b, _ = e.Append(b, &m)
		var err error
		if b, err = e.End(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		files = append(files, slices.Clone(b))
		if ends[i].Number != uint32(i+1) || ends[i].ID != ends[0].ID || ends[i].Flags != 0 {
			t.Errorf("end %+v", ends[i])
		}
	}
	other := seqOf(t, formattest.Messages(5)...)
	for i, end := range ends {
		receipt, err := archive.ParseReceipt(end.Receipt().String() + "\n")
		if err != nil || receipt != end.Receipt() {
			t.Fatal(err)
		}
		check := func(file []byte, want error) {
			t.Helper()
			o := Options{Format: Seq, Archive: testArchive()}
			o.Archive.Receipt = &receipt
			if _, err := readAll(t, reading(t, o), file); !errors.Is(err, want) || want == nil && err != nil {
				t.Errorf("receipt %d: %v, want %v", i, err, want)
			}
		}
		for n, file := range files {
			if n >= i {
				check(file, nil)
			} else {
				check(file, ErrTruncated)
			}
		}
		check(other, ErrTampered)
		receipt.Digest[3]++
		check(files[2], ErrTampered)
	}
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
		if want := seqOf(t, got...); len(starts(b)) == len(starts(want)) && len(b) != len(want) {
			t.Fatal(fmt.Errorf("% x, written again % x", b, want))
		}
	})
}
