package file

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
)

// keptEnd is what an Archive's KeepEnd was told last, and how often it was.
type keptEnd struct {
	record []byte
	count  uint64
	digest [sha256.Size]byte
	times  int
}

func (k *keptEnd) archive() format.Archive {
	a := testArchive()
	a.OpenEnd = nil
	a.KeepEnd = func(record []byte, count uint64, digest [32]byte) {
		k.record, k.count, k.digest = bytes.Clone(record), count, digest
		k.times++
	}
	return a
}

// TestKeepEnd: a source without a key has every end record, and knows what
// stands before it; it does not check it.
func TestKeepEnd(t *testing.T) {
	once := seqOf(t, formattest.Messages(3)...)
	twice, err := appendSeq(t, once, testArchive(), formattest.Messages(2)...)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		file []byte
		ends int
	}{"one": {once, 1}, "two": {twice, 2}} {
		kept := &keptEnd{}
		o := sourceOptions(Stream, format.Seq)
		o.Archive, o.Stdin = kept.archive(), bytes.NewReader(test.file)
		got, err := read(t, o)
		if err != nil || kept.times != test.ends || kept.count != uint64(len(got)) {
			t.Fatalf("%s: %d ends, the last over %d of %d messages, %v", name, kept.times, kept.count, len(got), err)
		}
		count, digest, err := testArchive().OpenEnd(t.Context(), kept.record)
		if err != nil || count != kept.count || digest != kept.digest {
			t.Errorf("%s: not the end record: %d, %v", name, count, err)
		}
	}
	damaged := bytes.Clone(once)
	at := starts(once)
	damaged = append(damaged[:at[0]], once[at[1]:]...) // the first message is gone
	kept := &keptEnd{}
	o := sourceOptions(Stream, format.Seq)
	o.Archive, o.Stdin = kept.archive(), bytes.NewReader(damaged)
	if _, err := read(t, o); err != nil || kept.count != 2 {
		t.Errorf("%d messages, %v", kept.count, err)
	}
}

// TestSinkKeepsNoEnd: what a sink finds in its own file is not the source's.
func TestSinkKeepsNoEnd(t *testing.T) {
	kept := &keptEnd{}
	if _, err := appendSeq(t, seqOf(t, formattest.Messages(3)...), kept.archive(), formattest.Messages(1)...); err != nil || kept.times != 0 {
		t.Errorf("told %d times, %v", kept.times, err)
	}
}
