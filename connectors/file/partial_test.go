package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// partialRun carries a file to a partial output, and gives it its name if all
// went well.
func partialRun(t *testing.T, in string, to SinkOptions, newTransform func() pipeline.Transform) error {
	t.Helper()
	from := sourceOptions(in, format.NDJSON)
	from.Checkpoint = to.Checkpoint
	sink := newSink(t, to)
	err := pipeline.Run(t.Context(), pipeline.Options{
		Source: newSource(t, from), Sink: sink, NewTransform: newTransform, Workers: 2, Log: quiet,
	})
	if err == nil {
		err = sink.Finish()
	}
	return errors.Join(err, to.Checkpoint.Close())
}

// TestPartial follows an output from its first run, which is refused a message,
// to one that finds nothing more to do.
func TestPartial(t *testing.T) {
	for _, f := range formats {
		in, open := store(t, temp(t, "in"), lines("x", 0, 300)), opener(t)
		to := sinkOptions(temp(t, "out"), f)
		to.Partial = true
		refuse := pipelinetest.Each(func(_ context.Context, m *pipeline.Message) error {
			if m.Origin.Offset == 7 {
				return &pipeline.Reject{Reason: pipeline.ReasonTampered}
			}
			return nil
		})
		to.Checkpoint = open()
		if err := partialRun(t, in, to, refuse); err == nil {
			t.Fatal("not refused")
		}
		if got := listing(t, to.Path); !slices.Equal(got, []string{"out.partial"}) {
			t.Fatalf("files %q", got)
		}
		if info, err := os.Stat(to.Path + ".partial"); err != nil || info.Mode().Perm() != 0o600 {
			t.Fatal(info, err)
		}
		to.Checkpoint = open()
		if err := partialRun(t, in, to, pipelinetest.Identity); err != nil {
			t.Fatal(err)
		}
		if got := listing(t, to.Path); !slices.Equal(got, []string{"out"}) {
			t.Fatalf("files %q", got)
		}
		want, err := read(t, sourceOptions(in, format.NDJSON))
		if err != nil {
			t.Fatal(err)
		}
		formattest.RequireEqual(t, want, readBack(t, to.Path, f))

		// There is nothing to do, and nothing is done to the file.
		old := time.Unix(1e9, 0)
		if err := os.Chtimes(to.Path, old, old); err != nil {
			t.Fatal(err)
		}
		to.Checkpoint = open()
		if err := partialRun(t, in, to, pipelinetest.Identity); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(to.Path); err != nil || !info.ModTime().Equal(old) {
			t.Errorf("%s: the complete output was written to: %v", f, err)
		}

		// The source has grown.
		store(t, in, lines("x", 0, 310))
		to.Checkpoint = open()
		if err := partialRun(t, in, to, pipelinetest.Identity); err != nil {
			t.Fatal(err)
		}
		if got := readBack(t, to.Path, f); len(got) != 310 {
			t.Errorf("%s: %d messages", f, len(got))
		}
	}
}

// TestPartialOfOthers checks that a file is not written over which has the name
// of a partial output, nor one that appears under the name of the output.
func TestPartialOfOthers(t *testing.T) {
	in := store(t, temp(t, "in"), lines("x", 0, 3))
	to := sinkOptions(temp(t, "out"), format.NDJSON)
	to.Partial = true
	store(t, to.Path+".partial", []byte("theirs"))
	for _, to.Overwrite = range []bool{false, true} {
		to.Checkpoint = opener(t)()
		err := partialRun(t, in, to, pipelinetest.Identity)
		if !errors.Is(err, fs.ErrExist) || string(load(t, to.Path+".partial")) != "theirs" {
			t.Fatal(err)
		}
	}
	to.Path, to.Overwrite = temp(t, "out"), false
	open := opener(t)
	to.Checkpoint = open()
	appear := pipelinetest.Each(func(context.Context, *pipeline.Message) error {
		store(t, to.Path, []byte("theirs"))
		return nil
	})
	if err := partialRun(t, in, to, appear); !errors.Is(err, fs.ErrExist) || string(load(t, to.Path)) != "theirs" {
		t.Fatal(err)
	}
	if err := os.Remove(to.Path); err != nil {
		t.Fatal(err)
	}
	to.Checkpoint = open()
	if err := partialRun(t, in, to, pipelinetest.Identity); err != nil {
		t.Fatal(err)
	}
	if got := readBack(t, to.Path, format.NDJSON); len(got) != 3 || len(listing(t, to.Path)) != 1 {
		t.Errorf("%d messages, files %q", len(got), listing(t, to.Path))
	}
}
