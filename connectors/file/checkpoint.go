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

// Checkpoint is a file that holds how far a source has been read and, if the
// destination is a file, how long that was at this point. It is replaced as a
// whole, is readable by its owner only, and belongs to one pair of source and
// destination. A Source and a Sink of the same run share it.
//
// The output is synced before the checkpoint that describes it is written, so
// every state in it was true on disk. A Checkpoint is safe for concurrent use
// by one process.
type Checkpoint struct {
	path string
	disk disk

	mu      sync.Mutex
	now     content
	resumed bool
	dirty   bool
	output  func() error // syncs the output of now.Output; nil if there is none
	timer   *time.Timer
	err     error // of a flush in the background; returned from then on
}

// content is the JSON of a checkpoint file.
type content struct {
	Version int          `json:"version"`
	FileID  []byte       `json:"file_id"`
	From    string       `json:"from"`
	To      string       `json:"to"`
	Places  []placeEntry `json:"places"`
	Input   *inputMark   `json:"input,omitempty"`
	Output  *outputMark  `json:"output,omitempty"`
}

type placeEntry struct {
	Place string `json:"place"`
	Next  int64  `json:"next"`
	Last  int64  `json:"last"`
	State []byte `json:"state,omitempty"`
}

// inputMark is a point where a file source can resume reading: at the next
// record or before it.
type inputMark struct {
	Record int64  `json:"record"`
	Byte   int64  `json:"byte"`
	Tail   []byte `json:"tail,omitempty"`  // of the bytes before Byte, if there are any
	State  []byte `json:"state,omitempty"` // the decoder's
}

// outputMark is the point where a file sink resumes writing.
type outputMark struct {
	Bytes int64  `json:"bytes"`
	State []byte `json:"state,omitempty"` // the encoder's
}

// OpenCheckpoint opens the checkpoint at path, or makes one. The names from and
// to identify the source and the destination and hold no secrets; a checkpoint
// that was made for others is refused. The caller closes it after the run.
func OpenCheckpoint(path, from, to string) (*Checkpoint, error) {
	return loadCheckpoint(osDisk{}, path, from, to)
}

func loadCheckpoint(d disk, path, from, to string) (*Checkpoint, error) {
	c := &Checkpoint{path: path, disk: d}
	err := c.readFile()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.now = content{Version: 1, FileID: make([]byte, 16), From: from, To: to}
		rand.Read(c.now.FileID)
		err = c.replaceFile()
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

func (c *Checkpoint) readFile() error {
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
	return c.now.validate()
}

func (r *content) validate() error {
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

// FileID returns a random name for the source, made with the checkpoint and
// never changed.
func (c *Checkpoint) FileID() [16]byte { return [16]byte(c.now.FileID) }

// Resumed tells whether the checkpoint existed already.
func (c *Checkpoint) Resumed() bool { return c.resumed }

// Close makes the last progress durable.
func (c *Checkpoint) Close() error { return c.flushChanges() }

// noteChange changes the content in memory. The change is durable after
// commitEvery, or after flushChanges.
func (c *Checkpoint) noteChange(change func(*content)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	change(&c.now)
	if !c.dirty {
		c.dirty = true
		c.timer = time.AfterFunc(commitEvery, func() { _ = c.flushChanges() }) // kept in c.err
	}
	return nil
}

// flushChanges makes all noted changes durable: first the output, then the
// checkpoint that describes it.
func (c *Checkpoint) flushChanges() error {
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
		c.err = c.replaceFile()
	}
	if c.err != nil {
		c.err = fmt.Errorf("checkpoint %s: %w", c.path, c.err)
	}
	return c.err
}

func (c *Checkpoint) replaceFile() error {
	a, err := beginAtomic(c.disk, c.path, true)
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

// setOutput makes sync part of every flush. A nil sync removes it.
func (c *Checkpoint) setOutput(sync func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.output = sync
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

// lastInput returns the input's mark, or nil if none was noted. It does not
// change any more.
func (c *Checkpoint) lastInput() *inputMark {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now.Input
}

// lastOutput returns the output's mark, or nil if none was noted. It does not
// change any more.
func (c *Checkpoint) lastOutput() *outputMark {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now.Output
}

// setPlaces replaces the positions of the given places.
func (r *content) setPlaces(places []pipeline.Position) {
	for _, p := range places {
		to := placeEntry{Place: p.Place, Next: p.Next, Last: p.Last, State: slices.Clone(p.State)}
		i := slices.IndexFunc(r.Places, func(have placeEntry) bool { return have.Place == p.Place })
		if i < 0 {
			r.Places = append(r.Places, to)
		} else {
			r.Places[i] = to
		}
	}
}
