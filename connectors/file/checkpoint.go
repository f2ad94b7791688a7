package file

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// commitEvery is how long progress may stay in memory.
const commitEvery = 100 * time.Millisecond

// maxCheckpoint is more than the positions of 100,000 places need, in bytes.
const maxCheckpoint = 64 << 20

// Checkpoint is a file that holds how far a source has been read and, if the
// destination is a file, how long that was at this point. It is replaced as a
// whole, is readable by its owner only, and belongs to one pair of source and
// destination. A Source and a Sink of the same run share it.
//
// The output is synced before the checkpoint that describes it is written, so
// every state in it was true on disk. A Checkpoint is safe for concurrent use
// by one process, and another process cannot open it meanwhile.
type Checkpoint struct {
	path string
	disk disk
	held handle // the file as it is now, with its lock; nil if nothing is held

	mu      sync.Mutex
	now     content
	resumed bool
	dirty   bool
	late    bool                    // the last flush failed, and the next change tries again
	outputs map[string]func() error // by file: sync an output that is open
	timer   *time.Timer
	err     error // of a flush that cannot be made good; returned from then on
}

// Owner is the route that a checkpoint belongs to. It holds no secrets.
type Owner struct {
	From, To string // the source and the destination
	RouteMark
}

// OpenCheckpoint opens the checkpoint at path, or makes one. A checkpoint of
// another owner is refused. Only the keys of a route that opens envelopes may
// differ, since a key that was missing is given; one that seals would make an
// output of which readers need the keys of all its runs. One that another run
// has open is refused as well. The caller closes it after the run.
func OpenCheckpoint(path string, owner Owner) (*Checkpoint, error) {
	return loadCheckpoint(osDisk{}, path, owner)
}

func loadCheckpoint(d disk, path string, owner Owner) (*Checkpoint, error) {
	c := &Checkpoint{path: path, disk: d}
	err := c.holdFile()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.now = content{Ends: ends{FileID: make([]byte, 16), From: owner.From, To: owner.To}, Route: owner.RouteMark}
		rand.Read(c.now.Ends.FileID)
		err = c.replaceFile(false)
	case err == nil:
		c.resumed = true
		if err = c.readFile(); err == nil {
			err = c.checkOwner(&owner)
		}
		c.now.Route.Keys = owner.Keys
	}
	if err != nil || !hasLocks {
		err = errors.Join(err, c.letGo())
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", path, err)
	}
	return c, nil
}

func (c *Checkpoint) checkOwner(owner *Owner) error {
	keysOf := func(m *RouteMark) string {
		if m.Work == "decrypt" {
			return ""
		}
		return strings.Join(slices.Sorted(slices.Values(m.Keys)), " ")
	}
	for _, part := range []struct{ name, was, is string }{
		{"source", c.now.Ends.From, owner.From},
		{"destination", c.now.Ends.To, owner.To},
		{"work", c.now.Route.Work, owner.Work},
		{"context", c.now.Route.Context, owner.Context},
		{"keys", keysOf(&c.now.Route), keysOf(&owner.RouteMark)},
	} {
		if part.was != part.is {
			return fmt.Errorf("made for %s %q, not %q", part.name, part.was, part.is)
		}
	}
	return nil
}

func (c *Checkpoint) readFile() error {
	text, err := io.ReadAll(io.LimitReader(c.held, maxCheckpoint+1))
	if err != nil {
		return err
	}
	if len(text) > maxCheckpoint {
		return format.ErrTooLarge
	}
	return c.now.decodeForm(text)
}

// FileID returns a random name for the source, made with the checkpoint and
// never changed.
func (c *Checkpoint) FileID() [16]byte { return [16]byte(c.now.Ends.FileID) }

// Resumed tells whether the checkpoint existed already.
func (c *Checkpoint) Resumed() bool { return c.resumed }

// Close makes the last progress durable, and lets another run open the file.
func (c *Checkpoint) Close() error { return errors.Join(c.flushChanges(), c.letGo()) }

// noteChange changes the content in memory. The change is durable after
// commitEvery, or after flushChanges; at once if changes from before are late.
// It is noted also if that fails.
func (c *Checkpoint) noteChange(change func(*content)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	change(&c.now)
	if c.late {
		return c.flushLocked()
	}
	if !c.dirty {
		c.dirty = true
		c.timer = time.AfterFunc(commitEvery, func() { _ = c.flushChanges() }) // the next change tries again
	}
	return nil
}

// flushChanges makes all noted changes durable: first the output, then the
// checkpoint that describes it. An error that may pass leaves them noted.
func (c *Checkpoint) flushChanges() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || !c.dirty {
		return c.err
	}
	return c.flushLocked()
}

// flushLocked is flushChanges under the lock. An output that was not synced may
// have lost bytes for good, for any cause.
func (c *Checkpoint) flushLocked() error {
	c.timer.Stop()
	for _, sync := range c.outputs {
		c.err = errors.Join(c.err, sync())
	}
	err := c.err
	if err == nil {
		err = c.replaceFile(true)
	}
	if err == nil {
		c.dirty, c.late = false, false
		return nil
	}
	err = fmt.Errorf("checkpoint %s: %w", c.path, err)
	if c.late = true; c.err != nil || !mayPass(err) {
		c.err = err
	}
	return err
}

// setOutput makes sync part of every flush. A nil sync removes that of the
// file.
func (c *Checkpoint) setOutput(file string, sync func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if sync == nil {
		delete(c.outputs, file)
		return
	}
	if c.outputs == nil {
		c.outputs = map[string]func() error{}
	}
	c.outputs[file] = sync
}

// positionOf returns the position of a place, if there is one.
func (c *Checkpoint) positionOf(name string) (pipeline.Position, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.now.Places {
		if p.Place == name {
			return pipeline.Position{Place: p.Place, Next: p.Next, Last: p.Last, State: slices.Clone(p.State)}, true
		}
	}
	return pipeline.Position{}, false
}

// nextOffsets returns the next offset of every place.
func (c *Checkpoint) nextOffsets() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := make(map[string]int64, len(c.now.Places))
	for _, p := range c.now.Places {
		m[p.Place] = p.Next
	}
	return m
}

// lastInput returns an input's mark, or nil if none was noted. It does not
// change any more. file is that of several, or "".
func (c *Checkpoint) lastInput(file string) *inputMark {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now.marksOf(file).Input
}

// lastOutput returns an output's mark, or nil if none was noted. It does not
// change any more. file is the input that it is made from, or "".
func (c *Checkpoint) lastOutput(file string) *outputMark {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now.marksOf(file).Output
}
