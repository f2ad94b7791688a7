package file

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// commitEvery is how long progress may stay in memory.
const commitEvery = 100 * time.Millisecond

// maxCheckpoint is more than the positions of 100,000 places need, in bytes.
const maxCheckpoint = 64 << 20

// Checkpoint is a file that holds how far a source has been read and, if the destination is a file,
// how long that was then. It is replaced as a whole, is readable by its owner only and belongs to
// one pair of source and destination. A Source and a Sink that work on the same run share it.
//
// Every state it holds was true of files on disk: the output is synced first. It may be used by
// several goroutines, but by one process at a time.
type Checkpoint struct {
	path string
	disk disk

	mu      sync.Mutex
	now     content
	resumed bool
	dirty   bool
	output  func() error // syncs the output that now.Output is about; nil without one
	timer   *time.Timer
	err     error // of a flush in the background; ends all use
}

// content is what a checkpoint file holds.
type content struct {
	Version int       `json:"version"`
	FileID  []byte    `json:"file_id"`
	From    string    `json:"from"`
	To      string    `json:"to"`
	Places  []place   `json:"places"`
	Input   *inputAt  `json:"input,omitempty"`
	Output  *outputAt `json:"output,omitempty"`
}

type place struct {
	Place string `json:"place"`
	Next  int64  `json:"next"`
	Last  int64  `json:"last"`
	State []byte `json:"state,omitempty"`
}

// inputAt is where a file source can take up reading: at or before the record it is to return next.
type inputAt struct {
	Record int64  `json:"record"`
	Byte   int64  `json:"byte"`
	Tail   []byte `json:"tail,omitempty"`  // of the bytes before Byte, if there are any
	State  []byte `json:"state,omitempty"` // the decoder's
}

// outputAt is what a file sink goes on from.
type outputAt struct {
	Bytes int64  `json:"bytes"`
	State []byte `json:"state,omitempty"` // the encoder's
}

// OpenCheckpoint opens the checkpoint at path, or begins one. from and to name the source and the
// destination in words of the caller's, without secrets; a checkpoint that was made for others is
// refused. The caller closes it after the run.
func OpenCheckpoint(path, from, to string) (*Checkpoint, error) {
	return openCheckpoint(osDisk{}, path, from, to)
}

func openCheckpoint(d disk, path, from, to string) (*Checkpoint, error) {
	c := &Checkpoint{path: path, disk: d}
	err := c.load()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.now = content{Version: 1, FileID: make([]byte, 16), From: from, To: to}
		rand.Read(c.now.FileID)
		err = c.save()
	case err == nil && c.now.From != from:
		err = fmt.Errorf("made for source %s, not %s", c.now.From, from)
	case err == nil && c.now.To != to:
		err = fmt.Errorf("made for destination %s, not %s", c.now.To, to)
	default:
		c.resumed = true
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", path, err)
	}
	return c, nil
}

func (c *Checkpoint) load() error {
	h, err := c.disk.open(c.path, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer h.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(h, maxCheckpoint+1))
	if err != nil {
		return err
	}
	if len(text) > maxCheckpoint {
		return format.ErrTooLarge
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c.now); err != nil {
		return fmt.Errorf("%w: %w", format.ErrMalformed, err)
	}
	return c.now.check()
}

func (r *content) check() error {
	bad := r.Version != 1 || len(r.FileID) != 16
	for _, p := range r.Places {
		bad = bad || p.Next < 0 || p.Last < -1
	}
	if in := r.Input; in != nil {
		bad = bad || in.Record < 0 || in.Byte < 0 || in.Byte > 0 && len(in.Tail) != sha256.Size
	}
	bad = bad || r.Output != nil && r.Output.Bytes < 0
	if bad {
		return fmt.Errorf("%w: not a checkpoint of version 1", format.ErrMalformed)
	}
	return nil
}

// FileID is a random name for the source, made with the checkpoint and the same ever after.
func (c *Checkpoint) FileID() [16]byte { return [16]byte(c.now.FileID) }

// Resumed tells whether the checkpoint was there already.
func (c *Checkpoint) Resumed() bool { return c.resumed }

// Close makes the last progress durable.
func (c *Checkpoint) Close() error { return c.flush() }

// note keeps a change of the record in memory. It is durable within commitEvery, or after flush.
func (c *Checkpoint) note(change func(*content)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	change(&c.now)
	if !c.dirty {
		c.dirty = true
		c.timer = time.AfterFunc(commitEvery, func() { _ = c.flush() }) // kept in c.err
	}
	return nil
}

// flush makes what was noted durable, the output before the record that speaks of it.
func (c *Checkpoint) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || !c.dirty {
		return c.err
	}
	c.timer.Stop()
	c.dirty = false
	if c.output != nil {
		c.err = c.output()
	}
	if c.err == nil {
		c.err = c.save()
	}
	if c.err != nil {
		c.err = fmt.Errorf("checkpoint %s: %w", c.path, c.err)
	}
	return c.err
}

func (c *Checkpoint) save() error {
	a, err := newAtomic(c.disk, c.path, true)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(&c.now, "", " ")
	if err == nil {
		_, err = a.Write(append(text, '\n'))
	}
	if err != nil {
		return errors.Join(err, a.Abort())
	}
	return a.Commit()
}

// attach makes sync part of every flush; nil takes it away again.
func (c *Checkpoint) attach(sync func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.output = sync
}

// position returns where a place goes on.
func (c *Checkpoint) position(name string) (pipeline.Position, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.now.Places {
		if p.Place == name {
			return pipeline.Position{Place: p.Place, Next: p.Next, Last: p.Last, State: slices.Clone(p.State)}, true
		}
	}
	return pipeline.Position{}, false
}

// nexts returns where each place goes on.
func (c *Checkpoint) nexts() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := make(map[string]int64, len(c.now.Places))
	for _, p := range c.now.Places {
		m[p.Place] = p.Next
	}
	return m
}

// input and outputAt return nil when nothing of the kind was noted. What they return is not changed
// any more.
func (c *Checkpoint) input() *inputAt {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now.Input
}

func (c *Checkpoint) outputAt() *outputAt {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now.Output
}

// move takes over positions, which replace those of the same place.
func (r *content) move(places []pipeline.Position) {
	for _, p := range places {
		to := place{Place: p.Place, Next: p.Next, Last: p.Last, State: slices.Clone(p.State)}
		i := slices.IndexFunc(r.Places, func(have place) bool { return have.Place == p.Place })
		if i < 0 {
			r.Places = append(r.Places, to)
		} else {
			r.Places[i] = to
		}
	}
}
