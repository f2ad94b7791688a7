package nats

import (
	"slices"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestOvertakenSettles: a Write in which a process that was killed had stored
// some messages before others ends with all of them in order. Messages that are
// published once more must not make those before them look overtaken for ever.
func TestOvertakenSettles(t *testing.T) {
	t.Parallel()
	for _, stored := range [][]uint64{
		{500, 100, 600, 200},
		{4, 3, 2, 1},
		{1, 2, 3, 4},
		{10, 0, 5, 20, 0, 15}, // 0: refused
		{1, 2},                // behind an earlier Write
	} {
		w := &writer{
			sink:   &Sink{stream: &jetstream.StreamInfo{Config: jetstream.StreamConfig{MaxMsgsPerSubject: 1}}},
			stored: slices.Clone(stored), highest: 3,
		}
		msgs := make([]pipeline.Message, len(stored))
		next := uint64(1000)
		rounds := 0
		for w.findOvertaken(msgs) {
			if rounds++; rounds > 1 { // all behind the first one are published once more
				t.Fatalf("%v: not settled: %v", stored, w.stored)
			}
			for _, i := range w.todo {
				w.stored[i] = next
				next++
			}
		}
		last := uint64(3)
		for i, sequence := range w.stored {
			if sequence == 0 {
				continue
			}
			if sequence < last {
				t.Errorf("%v: message %d at %d behind %d: %v", stored, i, sequence, last, w.stored)
			}
			last = sequence
		}
		if w.highest != last {
			t.Errorf("%v: highest %d, not %d", stored, w.highest, last)
		}
	}
}
