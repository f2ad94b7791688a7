package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

func TestCheckpointBelongs(t *testing.T) {
	path := temp(t, "ck")
	ck, err := OpenCheckpoint(path, Owner{From: "a", To: "b"})
	if err != nil || ck.Resumed() || ck.FileID() == [16]byte{} {
		t.Fatal(err)
	}
	killRun(t, ck)
	again, err := OpenCheckpoint(path, Owner{From: "a", To: "b"})
	if err != nil || !again.Resumed() || again.FileID() != ck.FileID() {
		t.Fatal("another checkpoint", err)
	}
	killRun(t, again)
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v", info.Mode())
	}
	for _, c := range [][2]string{{"x", "b"}, {"a", "x"}} {
		if _, err := OpenCheckpoint(path, Owner{From: c[0], To: c[1]}); err == nil || !strings.Contains(err.Error(), "made for") {
			t.Errorf("%v: %v", c, err)
		}
	}
	text := string(load(t, path))
	for _, bad := range []string{
		"", "{}", text + "{}", strings.Replace(text, `"streamcrypt_checkpoint": 1`, `"streamcrypt_checkpoint": 2`, 1),
		strings.Replace(text, `"sections"`, `"section"`, 1), strings.Replace(text, `"ends"`, `"endings"`, 1),
		strings.Replace(text, `"file_id"`, `"file"`, 1), strings.Replace(text, `"version": 1`, `"version": 2`, 1),
		strings.Replace(text, `"fields": null`, `"fields": [{"place":"p","next":-1}]`, 1),
		strings.Replace(text, `"sections": {`, `"sections": {"input":{"version":1,"fields":{"record":1,"byte":10}},`, 1),
	} {
		if bad == text {
			t.Fatal("nothing was changed")
		}
		store(t, path, []byte(bad))
		if _, err := OpenCheckpoint(path, Owner{From: "a", To: "b"}); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestCheckpointKeepsSections checks that a section of a newer program outlives
// the changes that this one makes, and that the keys of the last run are kept.
func TestCheckpointKeepsSections(t *testing.T) {
	path := temp(t, "ck")
	owner := Owner{From: "a", To: "b", RouteMark: RouteMark{Work: "decrypt", Context: "c", Keys: []string{"01"}}}
	first, err := OpenCheckpoint(path, owner)
	if err != nil {
		t.Fatal(err)
	}
	killRun(t, first)
	text := string(load(t, path))
	store(t, path, []byte(strings.Replace(text, `"sections": {`, `"sections": {"receipt":{"version":3,"id":"x"},`, 1)))
	owner.Keys = []string{"02"}
	ck, err := OpenCheckpoint(path, owner)
	if err != nil {
		t.Fatal(err)
	}
	if err := ck.noteChange(func(r *content) { r.setPlaces([]pipeline.Position{{Place: "p", Next: 7, State: []byte("s")}}) }); err != nil {
		t.Fatal(err)
	}
	if err := ck.Close(); err != nil {
		t.Fatal(err)
	}
	var got form
	if err := json.Unmarshal(load(t, path), &got); err != nil {
		t.Fatal(err)
	}
	var receipt bytes.Buffer
	if err := json.Compact(&receipt, got.Sections["receipt"]); err != nil || receipt.String() != `{"version":3,"id":"x"}` {
		t.Errorf("receipt %s, %v", receipt.String(), err)
	}
	if route := string(got.Sections["route"]); !strings.Contains(route, `"02"`) || strings.Contains(route, `"01"`) {
		t.Errorf("route %s", route)
	}
	if at, ok := ck.positionOf("p"); !ok || at.Next != 7 || string(at.State) != "s" {
		t.Errorf("position %+v", at)
	}
	for _, other := range []RouteMark{{Work: "encrypt", Context: "c"}, {Work: "decrypt", Context: "d"}} {
		if _, err := OpenCheckpoint(path, Owner{From: "a", To: "b", RouteMark: other}); err == nil || !strings.Contains(err.Error(), "made for") {
			t.Errorf("%+v: %v", other, err)
		}
	}
}

func TestCheckpointOfOthers(t *testing.T) {
	in := temp(t, "in")
	if err := write(t, sinkOptions(in, format.NDJSON), formattest.Messages(30)...); err != nil {
		t.Fatal(err)
	}
	open := opener(t)
	out := sinkOptions(temp(t, "out"), format.NDJSON)
	from := sourceOptions(in, format.NDJSON)
	from.Checkpoint, out.Checkpoint = open(), open()
	if err := copyFile(t, from, out); err == nil || !strings.Contains(err.Error(), "different checkpoints") {
		t.Fatal(err)
	}
	out.Checkpoint = from.Checkpoint
	if err := copyFile(t, from, out); err != nil {
		t.Fatal(err)
	}
	t.Run("shorter source", func(t *testing.T) {
		from := from
		from.Checkpoint = open()
		store(t, in, load(t, in)[:100])
		if err := copyFile(t, from, out); err == nil || !strings.Contains(err.Error(), "beyond") {
			t.Fatal(err)
		}
	})
	t.Run("shorter output", func(t *testing.T) {
		o := out
		o.Checkpoint = open()
		store(t, o.Path, load(t, o.Path)[:10])
		if err := write(t, o); !errors.Is(err, format.ErrTruncated) {
			t.Fatal(err)
		}
	})
	t.Run("foreign output", func(t *testing.T) {
		o := sinkOptions(store(t, temp(t, "out"), []byte("mine")), format.NDJSON)
		o.Checkpoint = opener(t)()
		if err := write(t, o); !errors.Is(err, fs.ErrExist) || string(load(t, o.Path)) != "mine" {
			t.Fatal(err)
		}
	})
}

// TestCommitInTime checks that a source without a file behind it saves its
// position within 100 ms, and no more often.
func TestCommitInTime(t *testing.T) {
	in := temp(t, "in")
	if err := write(t, sinkOptions(in, format.NDJSON), formattest.Messages(30)...); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		d := newMemDisk()
		ck, err := loadCheckpoint(d, "ck", Owner{From: "in", To: "out"})
		if err != nil {
			t.Fatal(err)
		}
		o := sourceOptions(in, format.NDJSON)
		o.Checkpoint = ck
		err = newSource(t, o).Serve(t.Context(), func(ctx context.Context, l pipeline.Lane) error {
			before := d.taken()
			for range 3 {
				b, err := l.Read(ctx, 1000)
				if err != nil {
					return err
				}
				if err := l.Commit(ctx, &pipeline.Progress{Messages: len(b.Messages), Places: b.Ends}); err != nil {
					return err
				}
				b.Release()
			}
			if d.taken() != before {
				t.Error("saved at once")
			}
			time.Sleep(commitEvery)
			synctest.Wait()
			saved, err := loadCheckpoint(d, "ck", Owner{From: "in", To: "out"})
			if err != nil {
				return err
			}
			want, _ := ck.positionOf(in)
			if at, ok := saved.positionOf(in); !ok || at.Next == 0 || at.Next != want.Next {
				t.Errorf("saved %+v", at)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
