package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"testing"
)

// keptEnd is what an Archive's KeepEnd was told last, and how often it was.
type keptEnd struct {
	record []byte
	count  uint64
	digest [sha256.Size]byte
	times  int
}

func (k *keptEnd) archive() Archive {
	a := testArchive()
	a.OpenEnd = nil
	a.KeepEnd = func(record []byte, count uint64, digest [32]byte) {
		k.record, k.count, k.digest = bytes.Clone(record), count, digest
		k.times++
	}
	return a
}

// TestKeepEnd: a source without a key has every end record, and knows what stands before it; it does not check it.
func TestKeepEnd(t *testing.T) {
	once := seqOf(t, messages(3)...)
	twice, err := appendSeq(t, once, testArchive(), messages(2)...)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		file []byte
		ends int
	}{"one": {once, 1}, "two": {twice, 2}} {
		kept := &keptEnd{}
		o := sourceOptions(Stream, Seq)
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
	o := sourceOptions(Stream, Seq)
	o.Archive, o.Stdin = kept.archive(), bytes.NewReader(damaged)
	if _, err := read(t, o); err != nil || kept.count != 2 {
		t.Errorf("%d messages, %v", kept.count, err)
	}
}

// TestKeptEndSurvivesARestart: a decoder that goes on behind an end record still has it.
func TestKeptEndSurvivesARestart(t *testing.T) {
	first, second := &keptEnd{}, &keptEnd{}
	d := newSeqDecoder(first.archive(), limits{record: 1 << 20, headers: 10})
	file := seqOf(t, messages(3)...)
	b := new(batch)
	for rest := file; len(rest) > 0; {
		n, err := d.next(rest, true)
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		if _, err := d.decode(context.Background(), rest[:n], b); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	state := d.appendState(nil)
	again := newSeqDecoder(second.archive(), d.limits)
	if err := again.restore(state); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(second.record, first.record) || second.count != 3 || second.digest != first.digest || second.times != 1 {
		t.Errorf("told %d times of %d bytes over %d messages", second.times, len(second.record), second.count)
	}
	if !bytes.Equal(again.appendState(nil), state) || again.finish() != nil {
		t.Error("it is not as it was")
	}
	for n := range state {
		cut := newSeqDecoder(second.archive(), d.limits)
		if err := cut.restore(state[:n]); !errors.Is(err, ErrMalformed) {
			t.Fatalf("%d bytes of %d: %v", n, len(state), err)
		}
	}
}

// TestSinkKeepsNoEnd: what a sink finds in its own file is not the source's.
func TestSinkKeepsNoEnd(t *testing.T) {
	kept := &keptEnd{}
	if _, err := appendSeq(t, seqOf(t, messages(3)...), kept.archive(), messages(1)...); err != nil || kept.times != 0 {
		t.Errorf("told %d times, %v", kept.times, err)
	}
}
