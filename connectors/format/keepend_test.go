package format

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
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

// TestKeptEndSurvivesARestart: a decoder that goes on behind an end record
// still has it.
func TestKeptEndSurvivesARestart(t *testing.T) {
	first, second := &keptEnd{}, &keptEnd{}
	d := newSeqDecoder(first.archive(), limits{record: 1 << 20, headers: 10})
	file := seqOf(t, formattest.Messages(3)...)
	b := new(Batch)
	for rest := file; len(rest) > 0; {
		n, err := d.Next(rest, true)
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		if _, err := b.Decode(t.Context(), d, rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	state := d.AppendState(nil)
	again := newSeqDecoder(second.archive(), d.limits)
	if err := again.Restore(state); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(second.record, first.record) || second.count != 3 || second.digest != first.digest || second.times != 1 {
		t.Errorf("told %d times of %d bytes over %d messages", second.times, len(second.record), second.count)
	}
	if !bytes.Equal(again.AppendState(nil), state) || again.Finish() != nil {
		t.Error("it is not as it was")
	}
	for n := range state {
		cut := newSeqDecoder(second.archive(), d.limits)
		if err := cut.Restore(state[:n]); !errors.Is(err, ErrMalformed) {
			t.Fatalf("%d bytes of %d: %v", n, len(state), err)
		}
	}
}
