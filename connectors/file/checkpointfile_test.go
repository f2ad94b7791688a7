package file

import (
	"errors"
	"os"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestCheckpointIsLocked: one run at a time has a checkpoint, from its first
// moment and through every change, until it is closed or its process ends.
func TestCheckpointIsLocked(t *testing.T) {
	if !hasLocks {
		t.Skip("SKIPPED, NOT RUN: this system has no locks of files")
	}
	for _, d := range []disk{osDisk{}, namedDisk{}} {
		path, owner := temp(t, "ck"), Owner{From: "a", To: "b"}
		isFree := func() bool {
			ck, err := loadCheckpoint(d, path, owner)
			if err == nil {
				killRun(t, ck)
			} else if !errors.Is(err, errInUse) {
				t.Fatal(err)
			}
			return err == nil
		}
		for range 2 { // the first run makes it, and the second one goes on
			ck, err := loadCheckpoint(d, path, owner)
			if err != nil {
				t.Fatal(err)
			}
			for next := range int64(3) {
				if isFree() {
					t.Errorf("%T: two runs have it, after %d changes", d, next)
				}
				if err := ck.SavePositions([]pipeline.Position{{Place: "p", Next: next + 1}}); err != nil {
					t.Fatal(err)
				}
			}
			if err := ck.Close(); err != nil || !isFree() {
				t.Errorf("%T: it is not free after Close: %v", d, err)
			}
		}
	}
}

// TestCheckpointsMadeAtOnce: of two first runs at the same time, the one whose
// checkpoint comes second is refused, and does not replace that of the other.
func TestCheckpointsMadeAtOnce(t *testing.T) {
	path, owner := temp(t, "ck"), Owner{From: "a", To: "b"}
	late := &Checkpoint{path: path, disk: osDisk{}}
	if err := late.holdFile(); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	ck, err := OpenCheckpoint(path, owner)
	if err != nil {
		t.Fatal(err)
	}
	before := string(load(t, path))
	if err := late.replaceFile(false); !errors.Is(err, errInUse) || string(load(t, path)) != before {
		t.Errorf("got %v", err)
	}
	killRun(t, ck)
}
