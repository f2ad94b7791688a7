package file

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/connectors/format/members"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

func openWriter(t *testing.T, o SinkOptions) *writer {
	t.Helper()
	w, err := newSink(t, o).Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.(*writer)
}

// A member that was made before its turn is the one that Write makes, byte for
// byte.
func TestPreparedMembers(t *testing.T) {
	msgs := formattest.Messages(50)
	for _, f := range variants() {
		if f.ext == "" || f.format == format.Seq {
			continue
		}
		whole, ahead := temp(t, "whole"+f.ext), temp(t, "ahead"+f.ext)
		if err := write(t, sinkOptions(whole, f.format), msgs...); err != nil {
			t.Fatal(err)
		}
		w := openWriter(t, sinkOptions(ahead, f.format))
		for range 2 { // the second one is dropped
			p := w.Prepare(msgs)
			if p == nil {
				t.Fatalf("%s%s: not prepared", f.format, f.ext)
			}
			if w.bytes == 0 {
				if err := p.Write(t.Context(), &pipeline.Progress{Messages: len(msgs)}); err != nil {
					t.Fatal(err)
				}
			}
			p.Release()
		}
		if err := w.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(load(t, whole), load(t, ahead)) {
			t.Errorf("%s%s: other bytes", f.format, f.ext)
		}
	}
}

// Messages that Write has to decide about are not prepared, and the next ones
// are all the same.
func TestNotPrepared(t *testing.T) {
	good := pipeline.Message{Value: []byte("v"), Origin: pipeline.Origin{Place: "a", Offset: 7}}
	long := pipeline.Message{Value: bytes.Repeat([]byte("v"), packedRecord+1)}
	many := make([]pipeline.Header, packedRecord/8+1)
	for name, msgs := range map[string][]pipeline.Message{
		"too many headers":  {good, {Value: []byte("v"), Headers: make([]pipeline.Header, format.DefaultMaxHeaders+1)}},
		"a long value":      {good, long},
		"long headers":      {good, {Headers: many}},
		"there already":     {good, {Value: []byte("v"), Origin: pipeline.Origin{Place: "a", Offset: 6}}},
		"a member of 6 MiB": makeRandom(24),
	} {
		w := openWriter(t, sinkOptions(temp(t, "out.zst"), format.NDJSON))
		w.written = map[string]int64{"a": 7}
		if p := w.Prepare(msgs); p != nil {
			t.Errorf("%s: prepared", name)
		}
		if p := w.Prepare([]pipeline.Message{good}); p == nil {
			t.Errorf("after %s: not prepared", name)
		}
		if err := w.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"out", "out.zst"} {
		f := format.Seq
		if path == "out" {
			f = format.NDJSON
		}
		w := openWriter(t, sinkOptions(temp(t, path), f))
		if p := w.Prepare([]pipeline.Message{good}); p != nil {
			t.Errorf("%s of %s: prepared", path, f)
		}
		if err := w.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// makeRandom returns n messages that cannot be compressed.
func makeRandom(n int) []pipeline.Message {
	msgs := make([]pipeline.Message, n)
	state := uint64(1)
	for i := range msgs {
		msgs[i].Value = make([]byte, packedRecord)
		for j := range msgs[i].Value {
			state = state*6364136223846793005 + 1442695040888963407
			msgs[i].Value[j] = byte(state >> 56)
		}
		msgs[i].Origin = pipeline.Origin{Place: "a", Offset: int64(7 + i)}
	}
	return msgs
}

// No message takes more than WorkMemory counts.
func TestPackedMemory(t *testing.T) {
	msg := pipeline.Message{Value: bytes.Repeat([]byte{1}, packedRecord-8), Headers: []pipeline.Header{{}}}
	o := sinkOptions(temp(t, "out.zst"), format.NDJSON)
	p := new(packers).takePacker(newSink(t, o))
	if err := p.packMessages([]pipeline.Message{{Value: bytes.Repeat([]byte("v"), flushSize-100)}, msg}); err != nil {
		t.Fatal(err)
	}
	if cap(p.text) != packedText || cap(p.out) != packedLimit {
		t.Errorf("%d bytes of text and %d of members", cap(p.text), cap(p.out))
	}
	for _, f := range []format.Format{format.NDJSON, format.Lines, format.Seq} {
		if n := WorkMemory(members.Zstd, f); (n == 0) != (f == format.Seq) || WorkMemory(members.None, f) != 0 {
			t.Errorf("%s: %d", f, n)
		}
	}
}

// Many workers prepare at once, and while others write; the lines are in the
// order of the writes.
func TestPrepareAtOnce(t *testing.T) {
	const workers, batches = 4, 30
	path := temp(t, "out.zst")
	w := openWriter(t, sinkOptions(path, format.Lines))
	var group sync.WaitGroup
	turns := make([]chan struct{}, batches+1)
	for i := range turns {
		turns[i] = make(chan struct{})
	}
	for k := range workers {
		group.Go(func() {
			for i := k; i < batches; i += workers {
				msgs := []pipeline.Message{{Value: fmt.Appendf(nil, "batch %d", i)}}
				p := w.Prepare(msgs)
				<-turns[i]
				if err := p.Write(t.Context(), &pipeline.Progress{Messages: 1}); err != nil {
					t.Error(err)
				}
				close(turns[i+1])
				p.Release()
			}
		})
	}
	close(turns[0])
	group.Wait()
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(w.sink.packers.free); n > workers {
		t.Errorf("%d packers for %d workers", n, workers)
	}
	got := readBack(t, path, format.Lines)
	if len(got) != batches {
		t.Errorf("%d lines", len(got))
	}
	for i := range got {
		if string(got[i].Value) != fmt.Sprintf("batch %d", i) {
			t.Errorf("line %d: %s", i, got[i].Value)
		}
	}
}
