package file

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// endsProperly checks that a seq holds want and nothing else, also by its end
// record, and that it can be appended to.
func endsProperly(t *testing.T, path string, want []pipeline.Message, next pipeline.Message) {
	t.Helper()
	formattest.RequireEqual(t, want, readBack(t, path, format.Seq))
	o := sinkOptions(path, format.Seq)
	o.Append = true
	if err := write(t, o, next); err != nil {
		t.Fatal(err)
	}
	formattest.RequireEqual(t, append(copyOf(want), next), readBack(t, path, format.Seq))
}

// TestEndBehindRefused checks the end record when the last Write was given a
// message that the file cannot hold, behind one that it can: that one came
// without a position.
func TestEndBehindRefused(t *testing.T) {
	msgs := formattest.Messages(4)
	o := sinkOptions(temp(t, "out"), format.Seq)
	o.MaxRecord = 4096
	refused := pipeline.Message{Value: make([]byte, 5000)}
	w, err := newSink(t, o).Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), msgs[:2], &pipeline.Progress{Messages: 2}); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), []pipeline.Message{msgs[2], refused}, &pipeline.Progress{Messages: 2}); formattest.ReasonOf(err) != "too-large" {
		t.Fatal(err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	endsProperly(t, o.Path, msgs[:2], msgs[3])
}

var errFull = syscall.ENOSPC

// smallDisk has room for writes of up to room bytes, if that is set.
type smallDisk struct {
	*memDisk
	mu   sync.Mutex
	room int
	part bool // it takes the first bytes of a larger write
	temp bool // checkpoints are written with the same room
}

// setRoom has writes of more than room bytes fail; 0: none does.
func (d *smallDisk) setRoom(room int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = room
}

func (d *smallDisk) open(path string, flag int) (handle, error) {
	h, err := d.memDisk.open(path, flag)
	return smallHandle{h, d}, err
}

func (d *smallDisk) openUnnamed(dir string) (unnamed, error) {
	h, err := d.memDisk.openUnnamed(dir)
	if err != nil || !d.temp {
		return h, err
	}
	return smallUnnamed{smallHandle{h, d}, h}, nil
}

func (d *smallDisk) hasName(h handle, path string) bool {
	small, ok := h.(smallHandle)
	return ok && d.memDisk.hasName(small.handle, path)
}

type smallHandle struct {
	handle
	disk *smallDisk
}

type smallUnnamed struct {
	smallHandle
	file unnamed
}

func (h smallUnnamed) linkTo(path string) error { return h.file.linkTo(path) }

func (h smallHandle) Write(p []byte) (int, error) {
	h.disk.mu.Lock()
	room := h.disk.room
	h.disk.mu.Unlock()
	if room > 0 && len(p) > room {
		n := 0
		if h.disk.part {
			n, _ = h.handle.Write(p[:room])
		}
		return n, errFull
	}
	return h.handle.Write(p)
}

// TestEndOnFullDisk checks the end record when the disk took no byte of the
// last messages, and has room for the end record.
func TestEndOnFullDisk(t *testing.T) {
	msgs := formattest.Messages(4)
	for i := range msgs {
		msgs[i].Value = append(make([]byte, 500), byte(i))
	}
	d := &smallDisk{memDisk: newMemDisk()}
	s := newSink(t, sinkOptions("out", format.Seq))
	s.disk = d
	w, err := s.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), msgs[:1], &pipeline.Progress{Messages: 1}); err != nil {
		t.Fatal(err)
	}
	d.room = 400
	if err := w.Write(t.Context(), msgs[1:3], &pipeline.Progress{Messages: 2}); !errors.Is(err, errFull) {
		t.Fatal(err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	endsProperly(t, store(t, temp(t, "out"), d.names["out"].now), msgs[:1], msgs[3])
}

// TestFullDiskPasses fills the disk under a source without an end. The messages
// follow when there is room again, each of them once. In a pipe nobody knows
// how much of the last record has arrived: nothing follows.
func TestFullDiskPasses(t *testing.T) {
	for name, c := range map[string]struct {
		stdout *fullPipe
		want   int
	}{
		"file": {nil, 4},
		"pipe": {new(fullPipe), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &smallDisk{memDisk: newMemDisk(), room: 100, part: true}
				o := sinkOptions("out", format.NDJSON)
				if c.stdout != nil {
					o.Path, o.Stdout = Stream, c.stdout
				}
				s := newSink(t, o)
				s.disk = d
				msgs := formattest.Messages(4)
				for i := range msgs {
					msgs[i].Value = append(make([]byte, 500), byte(i))
				}
				from := pipelinetest.NewSource([]string{"orders/0"})
				from.Live = true
				from.Put("orders/0", msgs...)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() {
					ended <- pipeline.Run(ctx, pipeline.Options{
						Source: from, Sink: s, NewTransform: pipelinetest.Identity, Log: slog.New(slog.DiscardHandler),
					})
				}()
				time.Sleep(5 * time.Second)
				d.setRoom(0)
				time.Sleep(5 * time.Second)
				cancel()
				err := <-ended
				if _, parked := errors.AsType[*pipeline.ParkedError](err); parked != (c.want == 0) {
					t.Errorf("ended with %v", err)
				}
				if c.stdout != nil && c.stdout.writes != 1 {
					t.Errorf("%d writes to the pipe", c.stdout.writes)
				}
				if c.want > 0 {
					formattest.RequireEqual(t, msgs, readBack(t, store(t, temp(t, "out"), d.names["out"].now), format.NDJSON))
				}
			})
		})
	}
}

// TestFullDiskUnderCheckpoint fills the disk of the checkpoint, while the output
// has room. All messages follow when there is room again, each of them once.
func TestFullDiskUnderCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &smallDisk{memDisk: newMemDisk(), temp: true}
		s, ck := sinkOnDisk(t, d)
		d.setRoom(100)
		msgs := pipelinetest.Messages(formattest.Carries, 0, 6, 4)
		from := pipelinetest.NewSource([]string{"orders/0"})
		from.Live = true
		from.Put("orders/0", msgs...)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- pipeline.Run(ctx, pipeline.Options{
				Source: from, Sink: s, NewTransform: pipelinetest.Identity, Log: quiet,
			})
		}()
		time.Sleep(5 * time.Second)
		d.setRoom(0)
		time.Sleep(5 * time.Second)
		cancel()
		if err := errors.Join(<-ended, ck.Close()); err != nil {
			t.Errorf("ended with %v", err)
		}
		requireOnDisk(t, d, msgs)
	})
}

// TestFullDiskBehindPositions fills the disk of the checkpoint when the output
// has messages. The lane that failed ends, and the next one goes on.
func TestFullDiskBehindPositions(t *testing.T) {
	d := &smallDisk{memDisk: newMemDisk(), temp: true}
	s, ck := sinkOnDisk(t, d)
	msgs := formattest.Messages(6)
	for i := range msgs {
		msgs[i].Origin = pipeline.Origin{Place: "orders/0", Offset: int64(i)}
	}
	for _, part := range []struct{ from, to, room int }{{0, 2, 0}, {2, 4, 100}, {2, 4, 100}, {2, 6, 0}} {
		d.setRoom(part.room)
		w, err := s.Open(t.Context(), nil)
		if err == nil {
			err = errors.Join(w.Write(t.Context(), msgs[part.from:part.to], &pipeline.Progress{
				Messages: part.to - part.from, Places: []pipeline.Position{{Place: "orders/0", Next: int64(part.to), Last: -1}},
			}), w.Close(t.Context()))
		}
		if full := errors.Is(err, errFull) && pipeline.MayPass(err); full != (part.room > 0) || !full && err != nil {
			t.Fatalf("%+v: got %v", part, err)
		}
	}
	if err := ck.Close(); err != nil {
		t.Fatal(err)
	}
	requireOnDisk(t, d, msgs)
}

// sinkOnDisk returns a sink with a checkpoint on a disk.
func sinkOnDisk(t *testing.T, d *smallDisk) (*Sink, *Checkpoint) {
	t.Helper()
	ck, err := loadCheckpoint(d, "ck", Owner{From: "a", To: "b"})
	if err != nil {
		t.Fatal(err)
	}
	o := sinkOptions("out", format.NDJSON)
	o.Checkpoint, o.Ordered = ck, true
	s := newSink(t, o)
	s.disk = d
	return s, ck
}

// requireOnDisk compares the output and its checkpoint with messages.
func requireOnDisk(t *testing.T, d *smallDisk, msgs []pipeline.Message) {
	t.Helper()
	formattest.RequireEqual(t, msgs, readBack(t, store(t, temp(t, "out"), d.names["out"].now), format.NDJSON))
	ck, err := loadCheckpoint(d, "ck", Owner{From: "a", To: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if at, _ := ck.positionOf("orders/0"); at.Next != int64(len(msgs)) {
		t.Errorf("the checkpoint is at %d", at.Next)
	}
}

// fullPipe has no space for the end of the first write.
type fullPipe struct{ writes int }

func (p *fullPipe) Write(b []byte) (int, error) {
	p.writes++
	if p.writes == 1 {
		return len(b) / 2, errFull
	}
	return len(b), nil
}
