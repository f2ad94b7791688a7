package format

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestCarrier: a copy of an archive has the same records in the same order,
// with the bodies that were put in their place, and over a restart of both
// sides.
func TestCarrier(t *testing.T) {
	msgs := formattest.Messages(6)
	a := testArchive()
	a.KeyRecord = func(e []byte) (name [16]byte, record []byte, ok bool) {
		return [16]byte{byte(len(e))}, []byte("\xd8\x60a key record"), true
	}
	e := newSeqEncoder(a, limits{record: 1 << 20, headers: 100})
	b := e.Begin(nil)
	for i := range msgs {
		b, _ = e.Append(b, &msgs[i])
		if i%2 == 1 {
			var err error
			if b, err = e.End(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
	}
	for restart := range len(msgs) + 1 {
		carrier := &archive.Carrier{}
		reader := testArchive()
		reader.OpenEnd = nil
		reader.KeepRecord = func(_ context.Context, r *archive.Record) error {
			copied := *r
			copied.Body = append(slices.Clone(r.Body[:len(r.Body)-1]), '!') // what rewrapping may change
			return carrier.Put(&copied)
		}
		got, err := readAll(t, reading(t, Options{Format: Seq, Archive: reader}), b)
		if err != nil {
			t.Fatal(err)
		}
		writer := Archive{Front: formattest.Front, Carrier: carrier}
		c := newSeqEncoder(writer, limits{record: 1 << 20, headers: 100})
		out := c.Begin(nil)
		write := func(some []pipeline.Message) {
			for i := range some {
				if out, err = c.Append(out, &some[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		write(got[:restart])
		state, size := c.AppendState(nil), len(out)
		write(got[restart:])
		// Both begin again: the reader from its beginning, the writer from its
		// state.
		if _, err := readAll(t, reading(t, Options{Format: Seq, Archive: reader}), b); err != nil {
			t.Fatal(err)
		}
		c = newSeqEncoder(writer, limits{record: 1 << 20, headers: 100})
		if err := c.Restore(state); err != nil {
			t.Fatal(err)
		}
		out = out[:size]
		write(got[restart:])
		if out, err = c.End(t.Context(), out); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(starts(out), starts(b)) || bytes.Count(out, []byte("record!")) != 0 && bytes.Count(out, []byte("!")) == 0 {
			t.Fatalf("restart after %d: records at %v, want %v", restart, starts(out), starts(b))
		}
	}
}

// TestCarrierIncomplete: a copy that lacks messages has no end.
func TestCarrierIncomplete(t *testing.T) {
	carrier := &archive.Carrier{}
	reader := Archive{Front: formattest.Front, KeepRecord: func(_ context.Context, r *archive.Record) error { return carrier.Put(r) }}
	msgs := formattest.Messages(3)
	got, err := readAll(t, reading(t, Options{Format: Seq, Archive: reader}), seqOf(t, msgs...))
	if err != nil {
		t.Fatal(err)
	}
	for _, some := range [][]pipeline.Message{got[:2], got[1:], {got[1], got[0], got[2]}, nil} {
		c := newSeqEncoder(Archive{Front: formattest.Front, Carrier: carrier}, limits{record: 1 << 20, headers: 100})
		out := c.Begin(nil)
		for i := range some {
			if out, err = c.Append(out, &some[i]); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.End(t.Context(), out); err == nil {
			t.Errorf("%d messages: the copy is complete", len(some))
		}
	}
}
