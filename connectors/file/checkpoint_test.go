package file

import (
	"context"
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
	ck, err := OpenCheckpoint(path, "a", "b")
	if err != nil || ck.Resumed() || ck.FileID() == [16]byte{} {
		t.Fatal(err)
	}
	again, err := OpenCheckpoint(path, "a", "b")
	if err != nil || !again.Resumed() || again.FileID() != ck.FileID() {
		t.Fatal("another checkpoint", err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v", info.Mode())
	}
	for _, c := range [][2]string{{"x", "b"}, {"a", "x"}} {
		if _, err := OpenCheckpoint(path, c[0], c[1]); err == nil || !strings.Contains(err.Error(), "made for") {
			t.Errorf("%v: %v", c, err)
		}
	}
	for _, text := range []string{
		"", "{}", `{"version":2}`, `{"unknown":1}`,
		`{"version":1,"file_id":"AAAAAAAAAAAAAAAAAAAAAA==","places":[{"next":-1}]}`,
		`{"version":1,"file_id":"AAAAAAAAAAAAAAAAAAAAAA==","from":"a","to":"b","input":{"record":1,"byte":10}}`,
	} {
		store(t, path, []byte(text))
		if _, err := OpenCheckpoint(path, "a", "b"); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%q: %v", text, err)
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
		ck, err := loadCheckpoint(d, "ck", "in", "out")
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
			saved, err := loadCheckpoint(d, "ck", "in", "out")
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
