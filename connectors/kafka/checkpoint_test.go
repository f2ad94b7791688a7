package kafka

import (
	"errors"
	"maps"
	"sync"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// oldCheckpoint has read all partitions up to an offset.
type oldCheckpoint int64

func (c oldCheckpoint) LoadPosition(place string) (pipeline.Position, bool) {
	return pipeline.Position{Place: place, Next: int64(c), Last: int64(c) - 1}, true
}

func (oldCheckpoint) SavePositions([]pipeline.Position) error { return nil }
func (oldCheckpoint) NotePositions([]pipeline.Position) error { return nil }

// slowCheckpoint keeps positions, and which of them were saved.
type slowCheckpoint struct {
	mu           sync.Mutex
	noted, saved map[string]int64
	err          error // of SavePositions without new ones
}

func (c *slowCheckpoint) LoadPosition(string) (pipeline.Position, bool) {
	return pipeline.Position{}, false
}

func (c *slowCheckpoint) NotePositions(at []pipeline.Position) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range at {
		c.noted[p.Place] = p.Next
	}
	return nil
}

func (c *slowCheckpoint) SavePositions(at []pipeline.Position) error {
	if len(at) == 0 && c.err != nil {
		return c.err
	}
	_ = c.NotePositions(at)
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.Copy(c.saved, c.noted)
	return nil
}

// TestCheckpointSaved: positions of a run without a group are noted, and saved
// before it is complete. With a group they are saved before that has them.
func TestCheckpointSaved(t *testing.T) {
	t.Parallel()
	full := errors.New("the disk is full")
	for name, test := range map[string]struct {
		group   string
		err     error
		want    int64 // is saved
		outcome error
	}{
		"no group":                    {"", nil, 5, nil},
		"no group, and it cannot":     {"", full, 0, full},
		"a group, which waits for it": {"g", full, 5, full},
	} {
		b := startBroker(t)
		b.topic("in", 1)
		b.put("in", 1, numbered(0, 5))
		s := b.source(b.connect(nil), SourceOptions{Topic: "in", Group: test.group, Until: Until{End: true}})
		c := &slowCheckpoint{noted: map[string]int64{}, saved: map[string]int64{}, err: test.err}
		s.Checkpoint = c
		sink := b.sink(b.connect(nil), SinkOptions{Topic: "out", Create: true, Source: s, Delivery: AtLeastOnce})
		err := pipeline.Run(t.Context(), identity(pipeline.Options{Source: s, Sink: sink, Log: quiet}))
		if !errors.Is(err, test.outcome) || c.noted["in/0"] != 5 || c.saved["in/0"] != test.want {
			t.Errorf("%s: %v, noted %v, saved %v", name, err, c.noted, c.saved)
		}
	}
}

// TestCheckpointBehindTheLog: a log that was cut is not complete, and what is
// written at the offsets that were read once is not passed over.
func TestCheckpointBehindTheLog(t *testing.T) {
	t.Parallel()
	for at, want := range map[oldCheckpoint]error{5: nil, 6: ErrLostTail, 10: ErrLostTail} {
		b := startBroker(t)
		b.topic("in", 1)
		b.put("in", 1, numbered(0, 5))
		s := b.source(b.connect(nil), SourceOptions{Topic: "in", Until: Until{End: true}})
		s.Checkpoint = at
		sink := b.sink(b.connect(nil), SinkOptions{Topic: "out", Create: true, Source: s, Delivery: AtLeastOnce})
		err := pipeline.Run(t.Context(), identity(pipeline.Options{Source: s, Sink: sink, Log: quiet}))
		if !errors.Is(err, want) {
			t.Errorf("checkpoint at %d of a log with 5 records: %v, want %v", at, err, want)
		}
	}
}
