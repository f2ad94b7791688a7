package file

import (
	"strings"
	"testing"

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
	again, err := OpenCheckpoint(path, owner) // without Close, as after a crash
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

// TestCheckpointOfOtherKeys: a route that seals goes on with the keys that it
// began with; one that opens may be given more.
func TestCheckpointOfOtherKeys(t *testing.T) {
	for work, refused := range map[string]bool{"encrypt": true, "rewrap": true, "decrypt": false} {
		path := temp(t, "ck")
		owner := Owner{From: "a", To: "b", RouteMark: RouteMark{Work: work, Keys: []string{"01", "02"}}}
		if _, err := OpenCheckpoint(path, owner); err != nil {
			t.Fatal(err)
		}
		owner.Keys = []string{"02", "01"}
		if _, err := OpenCheckpoint(path, owner); err != nil {
			t.Errorf("%s, another order: %v", work, err)
		}
		owner.Keys = []string{"03"}
		_, err := OpenCheckpoint(path, owner)
		if refused != (err != nil) || refused && !strings.Contains(err.Error(), `made for keys "01 02", not "03"`) {
			t.Errorf("%s, another key: %v", work, err)
		}
	}
}
