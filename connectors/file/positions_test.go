package file

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestSavePositions: a position is on disk when SavePositions returns, and one
// that is there already is not written again.
func TestSavePositions(t *testing.T) {
	path, owner := temp(t, "ck"), Owner{From: "a", To: "b"}
	ck, err := OpenCheckpoint(path, owner)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := ck.LoadPosition("p"); ok {
		t.Error("a new checkpoint has a position")
	}
	synced := 0
	ck.setOutput("p", func() error { synced++; return nil })
	at := []pipeline.Position{{Place: "p", Next: 7, Last: 5, State: []byte("s")}, {Place: "q", Next: 1, Last: -1}}
	for range 3 {
		if err := ck.SavePositions(at); err != nil {
			t.Fatal(err)
		}
	}
	if synced != 1 {
		t.Errorf("the output was synced %d times for one change", synced)
	}
	killRun(t, ck)
	again, err := OpenCheckpoint(path, owner)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range at {
		if got, ok := again.LoadPosition(want.Place); !ok || got.Next != want.Next || got.Last != want.Last ||
			string(got.State) != string(want.State) {
			t.Errorf("%s: got %+v", want.Place, got)
		}
	}
	at[0].State = []byte("t")
	if err := ck.SavePositions(at); err != nil || synced != 2 {
		t.Errorf("another state: %v, synced %d times", err, synced)
	}
}

// TestNotePositions: positions that are noted are saved with the next ones, or
// when the checkpoint is closed, and none costs a sync of its own.
func TestNotePositions(t *testing.T) {
	path, owner := temp(t, "ck"), Owner{From: "a", To: "b"}
	for _, end := range []func(*Checkpoint) error{
		func(ck *Checkpoint) error { return errors.Join(ck.SavePositions(nil), ck.Close()) },
		func(ck *Checkpoint) error { return ck.Close() },
	} {
		ck, err := OpenCheckpoint(path, owner)
		if err != nil {
			t.Fatal(err)
		}
		before, _ := ck.LoadPosition("p")
		for n := range int64(3) {
			if err := ck.NotePositions([]pipeline.Position{{Place: "p", Next: before.Next + n + 1, Last: -1}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := end(ck); err != nil {
			t.Fatal(err)
		}
		again, err := OpenCheckpoint(path, owner)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := again.LoadPosition("p"); got.Next != before.Next+3 {
			t.Errorf("%d is saved, want %d", got.Next, before.Next+3)
		}
		killRun(t, again)
	}
}

// TestCheckpointOfOtherKeys: a route that seals goes on with the keys that it
// began with; one that opens may be given more.
func TestCheckpointOfOtherKeys(t *testing.T) {
	for work, refused := range map[string]bool{"encrypt": true, "rewrap": true, "decrypt": false} {
		path := temp(t, "ck")
		owner := Owner{From: "a", To: "b", RouteMark: RouteMark{Work: work, Keys: []string{"01", "02"}}}
		for _, keys := range [][]string{{"01", "02"}, {"02", "01"}} {
			owner.Keys = keys
			ck, err := OpenCheckpoint(path, owner)
			if err != nil {
				t.Fatalf("%s, %v: %v", work, keys, err)
			}
			killRun(t, ck)
		}
		owner.Keys = []string{"03"}
		_, err := OpenCheckpoint(path, owner)
		if refused != (err != nil) || refused && !strings.Contains(err.Error(), `made for keys "01 02", not "03"`) {
			t.Errorf("%s, another key: %v", work, err)
		}
	}
}

// TestPositionNeverGoesBack: a source that is read again from before, because
// its commit lagged, does not make the output forget the messages that it has.
func TestPositionNeverGoesBack(t *testing.T) {
	path, owner := temp(t, "ck"), Owner{From: "a", To: "b"}
	o := sinkOptions(temp(t, "out"), format.NDJSON)
	o.Ordered = true
	all := formattest.Messages(15)
	for i := range all {
		all[i].Origin = pipeline.Origin{Place: "p", Offset: int64(i)}
	}
	// Each time the lane begins anew, as after a rebalance.
	for _, part := range []struct{ from, to int }{{0, 10}, {0, 5}, {5, 15}} {
		ck, err := OpenCheckpoint(path, owner)
		if err != nil {
			t.Fatal(err)
		}
		o.Checkpoint = ck
		w, err := newSink(t, o).Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		err = w.Write(t.Context(), all[part.from:part.to], &pipeline.Progress{
			Messages: part.to - part.from,
			Places:   []pipeline.Position{{Place: "p", Next: int64(part.to), Last: int64(part.to) - 1}},
		})
		if err := errors.Join(err, w.Close(t.Context()), ck.Close()); err != nil {
			t.Fatal(err)
		}
	}
	got := readBack(t, o.Path, format.NDJSON)
	if len(got) != len(all) {
		t.Errorf("the output has %d messages, want %d", len(got), len(all))
	}
}

// TestGapIsNoted: a source that begins further on than the output has come, as
// when another member of its group has read on, is named; others are not.
func TestGapIsNoted(t *testing.T) {
	o := sinkOptions(temp(t, "out"), format.NDJSON)
	ck, err := OpenCheckpoint(temp(t, "ck"), Owner{From: "a", To: "b"})
	if err != nil {
		t.Fatal(err)
	}
	var got string
	o.Checkpoint, o.Ordered = ck, true
	o.NoteGap = func(place string, reached, begins int64) { got += fmt.Sprintf("%s: %d, %d", place, reached, begins) }
	for _, c := range []struct {
		begins, next int64
		gap          string
	}{{0, 10, ""}, {10, 12, ""}, {8, 12, ""}, {20, 30, "p: 12, 20"}, {30, 31, ""}} {
		got = ""
		w, err := newSink(t, o).Open(t.Context(), startedLane{begins: c.begins})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Write(t.Context(), nil, &pipeline.Progress{Places: []pipeline.Position{{Place: "p", Next: c.next, Last: -1}}})
		if err := errors.Join(err, w.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		if got != c.gap {
			t.Errorf("begins at %d: noted %q, want %q", c.begins, got, c.gap)
		}
	}
}

// startedLane is a lane that begins somewhere.
type startedLane struct {
	pipeline.Lane
	begins int64
}

func (l startedLane) Start() []pipeline.Position {
	return []pipeline.Position{{Place: "p", Next: l.begins, Last: -1}, {Place: "new", Next: 99, Last: -1}}
}
