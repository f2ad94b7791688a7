package deadletter

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// A value or a time that the destination cannot hold is left out; the message
// that the letter is made of stays as it is.
func TestPartsAreLeftOut(t *testing.T) {
	at := time.Unix(1, 0)
	check := func(m *pipeline.Message, size int) error {
		switch {
		case string(m.Key) == "header":
			return &pipeline.Reject{Reason: "header"}
		case m.Time.Year() > 9999:
			return &pipeline.Reject{Reason: "malformed"}
		case size > 4:
			return &pipeline.Reject{Reason: "too-large"}
		case string(m.Key) == "away":
			return errors.New("away")
		}
		return nil
	}
	late := time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	given := []pipeline.Message{
		{Key: []byte("fits"), Value: []byte("v"), Time: at},
		{Key: []byte("large"), Value: []byte("value"), Time: at},
		{Key: []byte("late"), Value: []byte("v"), Time: late},
		{Key: []byte("both"), Value: []byte("value"), Time: late},
		{Key: []byte("header"), Value: []byte("value"), Time: at},
		{Key: []byte("away"), Value: []byte("v"), Time: at},
	}
	to := &pipelinetest.MemorySink{}
	w, err := NewSink(to, FullValues, check).Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), given, &pipeline.Progress{Messages: len(given)}); err != nil {
		t.Fatal(err)
	}
	want := map[string]struct {
		value string
		timed bool
	}{
		"fits": {"v", true}, "large": {"", true}, "late": {"v", false}, "both": {"", false}, "header": {"value", true}, "away": {"v", true},
	}
	for _, m := range to.Stored() {
		if w := want[string(m.Key)]; string(m.Value) != w.value || m.Time.IsZero() == w.timed {
			t.Errorf("%s: value %q at %v", m.Key, m.Value, m.Time)
		}
		delete(want, string(m.Key))
	}
	if len(want) > 0 || string(given[1].Value) != "value" || !given[2].Time.Equal(late) {
		t.Errorf("missing %v; the messages are now %v", want, given)
	}
}

// A letter has its value, or two headers in its place, or neither; never more
// than MaxValue bytes of it.
func TestValues(t *testing.T) {
	long := make([]byte, MaxValue+1)
	for _, c := range []struct {
		values Values
		value  []byte
		kept   bool
		size   string
	}{
		{NoValues, []byte("v"), false, ""},
		{HashedValues, []byte("v"), false, "1"},
		{HashedValues, []byte{}, false, "0"},
		{HashedValues, nil, false, ""},
		{FullValues, []byte("v"), true, ""},
		{FullValues, nil, false, ""},
		{FullValues, long[:MaxValue], true, ""},
		{FullValues, long, false, "1048577"},
	} {
		to := &pipelinetest.MemorySink{}
		w, err := NewSink(to, c.values, func(*pipeline.Message, int) error { return nil }).Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		headers := []pipeline.Header{{Name: "a"}, {Name: "b"}}[:1]
		if err := w.Write(t.Context(), []pipeline.Message{{Value: c.value, Headers: headers}}, nil); err != nil {
			t.Fatal(err)
		}
		got := to.Stored()[0]
		if (got.Value != nil) != c.kept || c.kept && len(got.Value) != len(c.value) || headers[:2][1].Name != "b" {
			t.Errorf("%s of %d bytes: %d bytes", c.values, len(c.value), len(got.Value))
		}
		size := ""
		for _, h := range got.Headers {
			switch h.Name {
			case HeaderSize:
				size = string(h.Value)
			case HeaderHash:
				sum := sha256.Sum256(c.value)
				if string(h.Value) != hex.EncodeToString(sum[:]) {
					t.Errorf("hash %s", h.Value)
				}
			}
		}
		if size != c.size || len(got.Headers) > 1 != (size != "") {
			t.Errorf("%s of %d bytes: headers %q", c.values, len(c.value), got.Headers)
		}
	}
}

// Lanes that share a sink write one after the other, and the sink is open as
// long as one of them is.
func TestSharedSink(t *testing.T) {
	const n = 50
	to := &pipelinetest.MemorySink{} // it panics if two write at a time
	shared := ShareSink(to)
	var lanes sync.WaitGroup
	for i := range n {
		w, err := shared.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		lanes.Go(func() {
			for range n {
				letter := []pipeline.Message{{Value: []byte{byte(i)}}}
				if err := w.Write(t.Context(), letter, &pipeline.Progress{Messages: 1}); err != nil {
					t.Error(err)
				}
			}
			if err := w.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	if open := to.OpenWriters(); open > 1 {
		t.Errorf("%d writers are open", open)
	}
	lanes.Wait()
	if to.OpenWriters() != 0 || to.Len() != n*n {
		t.Errorf("%d writers are open, %d letters", to.OpenWriters(), to.Len())
	}
	if w, err := shared.Open(t.Context(), nil); err != nil || to.OpenWriters() != 1 || w.Close(t.Context()) != nil {
		t.Errorf("it does not open again: %v", err)
	}
}

// A lane that has ended writes no letters, but its position.
func TestSharedSinkOfEndedLane(t *testing.T) {
	to := &pipelinetest.MemorySink{}
	w, err := ShareSink(to).Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Write(ctx, []pipeline.Message{{}}, nil); !errors.Is(err, context.Canceled) || to.Len() != 0 {
		t.Errorf("got %v, %d letters", err, to.Len())
	}
	if err := w.Write(ctx, nil, &pipeline.Progress{}); err != nil {
		t.Error(err)
	}
	if err := w.Close(ctx); err != nil || to.OpenWriters() != 0 {
		t.Errorf("got %v", err)
	}
}

func TestOpenFails(t *testing.T) {
	errAway := errors.New("away")
	to := &pipelinetest.MemorySink{OnOpen: func(context.Context, pipeline.Lane) error { return errAway }}
	for _, s := range []pipeline.Sink{NewSink(to, FullValues, nil), ShareSink(to)} {
		if _, err := s.Open(t.Context(), nil); !errors.Is(err, errAway) {
			t.Errorf("got %v", err)
		}
	}
}
