package file

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// seqOf returns the bytes of a complete seq file.
func seqOf(t testing.TB, msgs ...pipeline.Message) []byte {
	t.Helper()
	b, err := appendSeq(t, nil, testArchive(), msgs...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readSeq(t testing.TB, b []byte) ([]pipeline.Message, error) {
	t.Helper()
	o := sourceOptions(Stream, format.Seq)
	o.Stdin = bytes.NewReader(b)
	return read(t, o)
}

// appendSeq appends messages to the seq b and returns what it has become.
func appendSeq(t testing.TB, b []byte, a format.Archive, msgs ...pipeline.Message) ([]byte, error) {
	t.Helper()
	d := newMemDisk()
	d.names["out"] = &memFile{now: bytes.Clone(b)}
	s := newSink(t, SinkOptions{Path: "out", Format: format.Seq, Archive: a, Append: true})
	s.disk = d
	w, err := s.Open(t.Context(), nil)
	if err == nil {
		err = errors.Join(w.Write(t.Context(), msgs, &pipeline.Progress{Messages: len(msgs)}), w.Close(t.Context()))
	}
	return d.names["out"].now, err
}

// The first line of a seq is 8 bytes long, and so is the frame before the type
// and the body of a record. It begins with their length.
const firstLine, frameSize = 8, 8

// starts returns where the records of a seq begin, and its length.
func starts(b []byte) []int {
	var s []int
	for i := firstLine; i < len(b); i += frameSize + int(binary.BigEndian.Uint32(b[i:])) {
		s = append(s, i)
	}
	return append(s, len(b))
}

func TestSeqAppend(t *testing.T) {
	msgs := formattest.Messages(6)
	path := temp(t, "a.scx")
	o := sinkOptions(path, format.Seq)
	o.Append = true
	for i := 0; i < len(msgs); i += 2 {
		if err := write(t, o, msgs[i:i+2]...); err != nil {
			t.Fatal(err)
		}
		got, err := read(t, sourceOptions(path, format.Seq))
		if err != nil {
			t.Fatal(err)
		}
		formattest.RequireEqual(t, msgs[:i+2], got)
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

// TestSeqAppendTorn cuts the last write at every byte and fills some of the
// rest with zeros. Without an end the file is refused, unless it is to be
// repaired; then its next end says so.
func TestSeqAppendTorn(t *testing.T) {
	msgs := formattest.Messages(4)
	b := seqOf(t, msgs[:3]...)
	at := starts(b)
	for n := at[2] - 1; n < len(b); n++ { // from within the second message to within the end record
		for _, zeros := range []int{0, 1, 40, len(b) - n} {
			whole := 0
			for whole < 3 && at[whole+1] <= n {
				whole++
			}
			torn := append(bytes.Clone(b[:n]), make([]byte, zeros)...)
			refused, err := appendSeq(t, torn, testArchive(), msgs[3])
			if len(refused) > n+zeros {
				continue // the zeros were those of the end itself
			}
			if !errors.Is(err, format.ErrTruncated) {
				t.Fatalf("cut to %d and %d zeros: %v", n, zeros, err)
			}
			repairing := testArchive()
			var last archive.End
			repairing.Repair, repairing.NoteEnd = true, func(e archive.End) { last = e }
			grown, err := appendSeq(t, torn, repairing, msgs[3])
			if err != nil || last.Flags != archive.FlagLost {
				t.Fatalf("cut to %d and %d zeros: flags %d, %v", n, zeros, last.Flags, err)
			}
			got, err := readSeq(t, grown)
			if err != nil {
				t.Fatalf("cut to %d and %d zeros, appended: %v", n, zeros, err)
			}
			if len(got) == whole+2 && zeros > 0 { // the zeros were those of the record itself
				whole++
			}
			formattest.RequireEqual(t, append(copyOf(msgs[:whole]), msgs[3]), got)
		}
	}
}

// TestSeqAppendBehindEnd: a torn record behind an end is cut, and nothing was
// lost by that.
func TestSeqAppendBehindEnd(t *testing.T) {
	msgs := formattest.Messages(3)
	b := seqOf(t, msgs[:2]...)
	more, err := appendSeq(t, b, testArchive(), msgs[2])
	if err != nil {
		t.Fatal(err)
	}
	torn := more[:len(b)+20]
	a := testArchive()
	var ends []archive.End
	a.NoteEnd = func(e archive.End) { ends = append(ends, e) }
	grown, err := appendSeq(t, torn, a, msgs[2])
	if err != nil || len(ends) != 2 || ends[1].Flags != 0 || ends[1].Number != 2 || ends[0].ID != ends[1].ID {
		t.Fatalf("%+v, %v", ends, err)
	}
	got, err := readSeq(t, grown)
	if err != nil {
		t.Fatal(err)
	}
	formattest.RequireEqual(t, msgs, got)
}

// TestSeqAppendReceipt: an archive that does not satisfy its receipt is not
// appended to.
func TestSeqAppendReceipt(t *testing.T) {
	msgs := formattest.Messages(3)
	var ends []archive.End
	a := testArchive()
	a.NoteEnd = func(e archive.End) { ends = append(ends, e) }
	once, err := appendSeq(t, nil, a, msgs[0])
	if err != nil {
		t.Fatal(err)
	}
	twice, err := appendSeq(t, once, a, msgs[1])
	if err != nil {
		t.Fatal(err)
	}
	receipt := ends[len(ends)-1].Receipt()
	with := testArchive()
	with.Receipt = &receipt
	if _, err := appendSeq(t, twice, with, msgs[2]); err != nil {
		t.Error(err)
	}
	if after, err := appendSeq(t, once, with, msgs[2]); !errors.Is(err, format.ErrTruncated) || !bytes.Equal(after, once) {
		t.Errorf("cut back: %v", err)
	}
	if _, err := appendSeq(t, seqOf(t, msgs[:2]...), with, msgs[2]); !errors.Is(err, format.ErrTampered) {
		t.Errorf("swapped: %v", err)
	}
}

func copyOf(m []pipeline.Message) []pipeline.Message { return append([]pipeline.Message(nil), m...) }

// TestSeqAppendDamaged checks that damage further up costs no record behind it.
func TestSeqAppendDamaged(t *testing.T) {
	b := seqOf(t, formattest.Messages(4)...)
	at := starts(b)
	for bit := range 8 * 20 { // length, checksum, type and some of the body of the second record
		c := bytes.Clone(b)
		c[at[1]+bit/8] ^= 1 << (bit % 8)
		after, err := appendSeq(t, c, testArchive())
		if !errors.Is(err, format.ErrMalformed) && !errors.Is(err, format.ErrTooLarge) {
			t.Errorf("bit %d: %v", bit, err)
		}
		if !bytes.Equal(after, c) {
			t.Errorf("bit %d: the file was changed", bit)
		}
	}
}

func TestSeqAppendChecksSeals(t *testing.T) {
	b := seqOf(t, formattest.Messages(3)...)
	at := starts(b)
	c := append(bytes.Clone(b[:at[0]]), b[at[1]:]...) // the first message is gone
	if _, err := appendSeq(t, c, testArchive()); !errors.Is(err, format.ErrTampered) {
		t.Error(err)
	}
	for name, open := range map[string]func(context.Context, []byte) ([archive.EndSize]byte, error){
		"no key": nil,
		"not for this one": func(context.Context, []byte) (end [archive.EndSize]byte, err error) {
			return end, archive.ErrNotOpened
		},
	} {
		blind := testArchive()
		blind.OpenEnd = open
		var last archive.End
		blind.NoteEnd = func(e archive.End) { last = e }
		grown, err := appendSeq(t, b, blind)
		if err != nil || last.Number != 1 || last.Flags != archive.FlagUnverified {
			t.Errorf("%s: %+v, %v", name, last, err)
		}
		if got, err := readSeq(t, grown); err != nil || len(got) != 3 {
			t.Errorf("%s: %d messages, %v", name, len(got), err)
		}
	}
}

func TestSeqLimits(t *testing.T) {
	m := pipeline.Message{Value: make([]byte, 100), Headers: make([]pipeline.Header, 3)}
	for reason, change := range map[string]func(*SinkOptions){
		"too-large": func(o *SinkOptions) { o.MaxRecord = 80 },
		"header":    func(o *SinkOptions) { o.MaxHeaders = 2 },
	} {
		for _, f := range []format.Format{format.NDJSON, format.Seq} {
			o := sinkOptions(temp(t, "a"), f)
			change(&o)
			if err := write(t, o, m); formattest.ReasonOf(err) != reason {
				t.Errorf("%s written: %v", f, err)
			}
			path := temp(t, "b")
			if err := write(t, sinkOptions(path, f), m); err != nil {
				t.Fatal(err)
			}
			from := sourceOptions(path, f)
			from.MaxRecord, from.MaxHeaders = o.MaxRecord, o.MaxHeaders
			if got, _ := read(t, from); len(got) != 1 || !errors.Is(got[0].Fault, format.ErrTooLarge) {
				t.Errorf("%s read: %+v", f, got)
			}
		}
	}
}
