package file

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/connectors/format/members"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

func kindOf(name string) members.Kind {
	kind, _ := members.OfPath(name)
	return kind
}

// folderRun is a run from several files, into an output for each or into one.
type folderRun struct {
	root string // of the inputs
	ext  string // of the outputs
	each bool
	form format.Format
	disk disk
	ck   bool
	slow time.Duration
}

func (r *folderRun) run(t *testing.T) error {
	var ck *Checkpoint
	if r.ck {
		var err error
		if ck, err = loadCheckpoint(r.disk, "ck", Owner{From: "in", To: "out"}); err != nil {
			return err
		}
	}
	err := r.runWith(t, ck)
	if ck != nil {
		err = errors.Join(err, ck.Close())
	}
	return err
}

func (r *folderRun) runWith(t *testing.T, ck *Checkpoint) error {
	found, err := FindFiles(r.root)
	if err != nil {
		return err
	}
	from := FolderOptions{Found: found, CompressionOf: kindOf, Parallel: 1}
	from.Each.Format, from.Each.Checkpoint = format.NDJSON, ck
	to := sinkOptions("out"+r.ext, r.form)
	to.Checkpoint, to.Partial, to.Ordered = ck, ck != nil, true
	var sink pipeline.Sink
	finish := func() error { return nil }
	if r.each {
		from.Parallel = 2
		s, err := NewFolderSink(FolderSinkOptions{Each: to, PathOf: r.outputOf})
		if err != nil {
			return err
		}
		s.disk, sink = r.disk, s
	} else {
		to.Several = true
		s, err := NewSink(to)
		if err != nil {
			return err
		}
		s.disk, sink, finish = r.disk, s, s.Finish
		defer s.Abandon()
	}
	source, err := NewFolder(from)
	if err != nil {
		return err
	}
	wait := pipelinetest.Each(func(context.Context, *pipeline.Message) error {
		time.Sleep(r.slow)
		return nil
	})
	err = pipeline.Run(t.Context(), pipeline.Options{
		Source: source, Sink: sink, NewTransform: wait, Workers: 2, ReadAhead: 1500, Log: quiet,
	})
	if err == nil {
		err = finish()
	}
	return err
}

func (r *folderRun) outputOf(name string) string {
	return "out-" + strings.ReplaceAll(name, "/", "-") + r.ext
}

// fillFolder makes inputs, one of them empty and one compressed, and returns
// their messages.
func fillFolder(t *testing.T) (root string, want map[string][]pipeline.Message) {
	t.Helper()
	root = t.TempDir()
	all := pipelinetest.Messages(formattest.Carries, 0, 40, 1000)
	want = map[string][]pipeline.Message{
		"a.ndjson": all[:13], "b.ndjson.gz": all[13:20], "c.ndjson": nil, "d.ndjson": all[20:],
	}
	for name, msgs := range want {
		if err := write(t, sinkOptions(filepath.Join(root, name), format.NDJSON), msgs...); err != nil {
			t.Fatal(err)
		}
	}
	return root, want
}

var folderNames = []string{"a.ndjson", "b.ndjson.gz", "c.ndjson", "d.ndjson"}

// requireFolder compares the outputs with the inputs.
func (r *folderRun) requireFolder(t *testing.T, d *memDisk, want map[string][]pipeline.Message) {
	t.Helper()
	var all []pipeline.Message
	for _, name := range folderNames {
		if !r.each {
			all = append(all, want[name]...)
			continue
		}
		formattest.RequireEqual(t, want[name], r.readOutput(t, d, r.outputOf(name)))
	}
	if !r.each {
		formattest.RequireEqual(t, all, r.readOutput(t, d, "out"+r.ext))
	}
	for name := range d.names {
		if strings.HasSuffix(name, PartialName("")) {
			t.Errorf("%s is left", name)
		}
	}
}

func (r *folderRun) readOutput(t *testing.T, d *memDisk, name string) []pipeline.Message {
	t.Helper()
	file := d.names[name]
	if file == nil {
		t.Fatalf("no output %s", name)
	}
	return readBack(t, store(t, temp(t, "out"+r.ext), file.now), r.form)
}

func TestFolder(t *testing.T) {
	root, want := fillFolder(t)
	for _, each := range []bool{true, false} {
		for _, f := range variants() {
			for _, ck := range []bool{true, false} {
				t.Run(fmt.Sprintf("each %v, %s, checkpoint %v", each, f, ck), func(t *testing.T) {
					d := newMemDisk()
					r := &folderRun{root: root, ext: f.ext, each: each, form: f.format, disk: d, ck: ck}
					if err := r.run(t); err != nil {
						t.Fatal(err)
					}
					r.requireFolder(t, d, want)
					if err := r.run(t); ck != (err == nil) {
						t.Fatalf("once more: %v", err)
					}
					r.requireFolder(t, d, want)
				})
			}
		}
	}
}

// TestFolderCrash turns the power off at steps of a run over several files, and
// then lets it end. Each output must hold every message once.
func TestFolderCrash(t *testing.T) {
	root, want := fillFolder(t)
	for _, each := range []bool{true, false} {
		for _, f := range []variant{{format.NDJSON, ""}, {format.Seq, ".gz"}} {
			t.Run(fmt.Sprintf("each %v, %s", each, f), func(t *testing.T) {
				steps := 1
				for at := 0; at < steps; at += 5 {
					synctest.Test(t, func(t *testing.T) {
						d, rnd := newMemDisk(), rand.New(rand.NewPCG(uint64(at), 5))
						d.named = at%2 == 0
						r := &folderRun{
							root: root, ext: f.ext, each: each, form: f.format, disk: d, ck: true, slow: 9 * time.Millisecond,
						}
						for _, left := range []int{at, rnd.IntN(at + 5)} {
							d.left = left
							if err := r.run(t); err == nil {
								break
							} else if !errors.Is(err, errCrash) {
								t.Fatalf("step %d: %v", at, err)
							}
							d.crash(rnd)
						}
						d.left = -1
						if err := r.run(t); err != nil {
							t.Fatalf("step %d: begun again: %v", at, err)
						}
						r.requireFolder(t, d, want)
						steps = max(steps, min(d.taken(), 120))
					})
				}
				if steps < 20 {
					t.Fatalf("only %d steps", steps)
				}
			})
		}
	}
}

// A file that has changed since the checkpoint, or is gone before it was read
// to its end, is refused by its name. One that has grown goes on.
func TestFolderChanges(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, root string)
		err    string
	}{
		"grown": {func(t *testing.T, root string) {
			o := sinkOptions(filepath.Join(root, "a.ndjson"), format.NDJSON)
			o.Append = true
			if err := write(t, o, pipeline.Message{Value: []byte("new")}); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"changed": {func(t *testing.T, root string) {
			path := filepath.Join(root, "d.ndjson")
			text := load(t, path)
			text[0] = ' '
			store(t, path, text)
		}, "d.ndjson: it has changed before the point that the checkpoint has reached"},
		"shorter": {func(t *testing.T, root string) {
			path := filepath.Join(root, "d.ndjson")
			store(t, path, load(t, path)[:100])
		}, "d.ndjson: the checkpoint is beyond its end"},
		"gone when it was done": {func(t *testing.T, root string) {
			if err := os.Remove(filepath.Join(root, "d.ndjson")); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"a new file": {func(t *testing.T, root string) {
			store(t, filepath.Join(root, "aa.ndjson"), []byte(lineOne))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			root, _ := fillFolder(t)
			d := newMemDisk()
			r := &folderRun{root: root, each: true, form: format.NDJSON, disk: d, ck: true}
			if err := r.run(t); err != nil {
				t.Fatal(err)
			}
			c.change(t, root)
			err := r.run(t)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Fatalf("got %v", err)
			}
			if name == "grown" {
				got := r.readOutput(t, d, r.outputOf("a.ndjson"))
				if len(got) != 14 || string(got[13].Value) != "new" {
					t.Fatalf("%d messages", len(got))
				}
			}
		})
	}
}

// A file that was begun and is gone is refused before anything is opened.
func TestFolderGone(t *testing.T) {
	root, _ := fillFolder(t)
	d := newMemDisk()
	ck, err := loadCheckpoint(d, "ck", Owner{})
	if err != nil {
		t.Fatal(err)
	}
	if err := ck.noteChange(func(r *content) { r.editMarks("z.ndjson").moveInput(new(inputMark)) }); err != nil {
		t.Fatal(err)
	}
	found, err := FindFiles(root)
	if err != nil {
		t.Fatal(err)
	}
	o := FolderOptions{Found: found, CompressionOf: kindOf}
	o.Each.Format, o.Each.Checkpoint = format.NDJSON, ck
	if _, err := NewFolder(o); err == nil || !strings.Contains(err.Error(), "z.ndjson: it is gone") {
		t.Fatalf("got %v", err)
	}
	if err := ck.Close(); err != nil {
		t.Fatal(err)
	}
}

// A file whose output could not get its name is not done: if it is gone then,
// it is refused by its name.
func TestFolderGoneWithoutOutput(t *testing.T) {
	root, want := fillFolder(t)
	d := newMemDisk()
	r := &folderRun{root: root, each: true, form: format.NDJSON, ck: true}
	r.disk = &namelessDisk{d, r.outputOf("a.ndjson")}
	if err := r.run(t); !errors.Is(err, errFull) {
		t.Fatalf("got %v", err)
	}
	r.disk = d
	input := filepath.Join(root, "a.ndjson")
	text := load(t, input)
	if err := os.Remove(input); err != nil {
		t.Fatal(err)
	}
	if err := r.run(t); err == nil || !strings.Contains(err.Error(), "a.ndjson: it is gone") {
		t.Fatalf("got %v", err)
	}
	store(t, input, text)
	if err := r.run(t); err != nil {
		t.Fatal(err)
	}
	r.requireFolder(t, d, want)
}

// namelessDisk gives no file a certain name.
type namelessDisk struct {
	*memDisk
	name string
}

func (d *namelessDisk) link(from, to string) error {
	if to == d.name {
		return errFull
	}
	return d.memDisk.link(from, to)
}

// A file that cannot be read keeps no other from being read to its end.
func TestFolderBadFile(t *testing.T) {
	root, want := fillFolder(t)
	store(t, filepath.Join(root, "b.ndjson.gz"), []byte("no gzip"))
	d := newMemDisk()
	r := &folderRun{root: root, each: true, form: format.NDJSON, disk: d}
	err := r.run(t)
	if err == nil || !strings.Contains(err.Error(), "b.ndjson.gz") {
		t.Fatalf("got %v", err)
	}
	if d.names[r.outputOf("b.ndjson.gz")] != nil {
		t.Error("the bad file has an output")
	}
	for _, name := range []string{"a.ndjson", "c.ndjson", "d.ndjson"} {
		formattest.RequireEqual(t, want[name], r.readOutput(t, d, r.outputOf(name)))
	}
}

// Messages without a position are dropped when their lane ends, and the next
// lane goes on in their place. An output that is not finished is not there.
func TestSeveralDropsTheRest(t *testing.T) {
	msgs := formattest.Messages(3)
	for _, f := range variants() {
		for _, finished := range []bool{true, false} {
			o := sinkOptions(temp(t, "out"+f.ext), f.format)
			o.Several = true
			sink := newSink(t, o)
			for _, writes := range [][]*pipeline.Progress{{{Messages: 1}, nil}, {{Messages: 1}}} {
				w, err := sink.Open(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				for i, done := range writes {
					if err := w.Write(t.Context(), msgs[i:i+1], done); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if !finished {
				if err := sink.Abandon(); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if err := sink.Finish(); err != nil {
				t.Fatal(err)
			}
			formattest.RequireEqual(t, []pipeline.Message{msgs[0], msgs[0]}, readBack(t, o.Path, f.format))
		}
	}
}

// On a full disk the run ends with the cause, and the next one goes on where
// the output was durable.
func TestFolderOnFullDisk(t *testing.T) {
	root, want := fillFolder(t)
	for _, each := range []bool{true, false} {
		for _, f := range variants() {
			for _, part := range []bool{false, true} {
				t.Run(fmt.Sprintf("each %v, %s, part %v", each, f, part), func(t *testing.T) {
					d := &smallDisk{memDisk: newMemDisk(), room: 300, part: part}
					if f.ext == ".gz" {
						d.room = 50 // gzip writes small pieces
					}
					r := &folderRun{root: root, ext: f.ext, each: each, form: f.format, disk: d, ck: true}
					if err := r.run(t); !errors.Is(err, errFull) {
						t.Fatalf("got %v", err)
					}
					if !each && d.names["out"+f.ext] != nil {
						t.Fatal("the output has its name, and is not complete")
					}
					d.setRoom(0)
					if err := r.run(t); err != nil {
						t.Fatal(err)
					}
					if each {
						r.requireFolder(t, d.memDisk, want)
						return
					}
					requireSame(t, want, r.readOutput(t, d.memDisk, "out"+f.ext))
				})
			}
		}
	}
}

// requireSame compares messages with those of all inputs, in any order: a file
// that was parked comes behind the others.
func requireSame(t *testing.T, want map[string][]pipeline.Message, got []pipeline.Message) {
	t.Helper()
	var all []pipeline.Message
	for _, msgs := range want {
		all = append(all, msgs...)
	}
	for _, msgs := range [][]pipeline.Message{all, got} {
		slices.SortFunc(msgs, func(a, b pipeline.Message) int {
			return strings.Compare(fmt.Sprintf("%q %q %q %v", a.Value, a.Key, a.Headers, a.Time),
				fmt.Sprintf("%q %q %q %v", b.Value, b.Key, b.Headers, b.Time))
		})
	}
	formattest.RequireEqual(t, all, got)
}
