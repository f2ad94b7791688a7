package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/members"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// SourceOptions say how a Source reads.
type SourceOptions struct {
	// Path is the file, or Stream for standard input.
	Path string
	// Place names the file where it is one of several, which share a
	// Checkpoint; "" stands for Path.
	Place string
	// Format is NDJSON, Lines, Kcat or Seq.
	Format format.Format
	// Key is the field that is the record key, for Lines; see format.Options.
	Key string
	// NoteReplaced is for Kcat; see format.Options.
	NoteReplaced func()
	// NoteUntimed is told how many messages of a file were passed over in front
	// of a Start that is a time, since they have no time; nil means nobody.
	NoteUntimed func(place string, n int64)
	// Compression is how the file is compressed, or members.None. Positions
	// then count in its content.
	Compression members.Kind
	// Archive checks a seq's end records with Tag and OpenEnd, or passes them
	// to KeepEnd unchecked.
	Archive format.Archive
	// Start is where reading begins without a position in the Checkpoint, and
	// Until where it ends. A nil Until is the end of the file.
	Start Limit
	Until *Limit
	// Checkpoint, if set, holds the position to begin at and the progress of
	// the run. Pipes have none.
	Checkpoint *Checkpoint
	// MaxRecord is the most bytes of one record, format.DefaultMaxRecord if 0.
	MaxRecord int
	// MaxHeaders is the most headers of one message, format.DefaultMaxHeaders
	// if 0.
	MaxHeaders int
	// Observer is told about the lane; nil means nobody.
	Observer SourceObserver
	// Stdin is read when Path is Stream, os.Stdin if nil.
	Stdin io.Reader
}

// Source reads one file to its end, as one lane. It is a pipeline.Source.
type Source struct {
	opts   SourceOptions
	layout *format.Layout

	read, total atomic.Int64 // bytes, for Progress
}

// NewSource checks the options and opens nothing.
func NewSource(o SourceOptions) (*Source, error) {
	fail := func(err error) (*Source, error) { return nil, fmt.Errorf("source %s: %w", o.Path, err) }
	if o.Path == "" {
		return nil, errors.New("source file: no path")
	}
	if open := o.Archive.OpenEnd; open != nil { // findMark may open one while the lane reads
		var mu sync.Mutex
		o.Archive.OpenEnd = func(ctx context.Context, record []byte) ([archive.EndSize]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			return open(ctx, record)
		}
	}
	layout, err := format.ForReading(format.Options{
		Format: o.Format, Key: o.Key, Archive: o.Archive, MaxRecord: o.MaxRecord, MaxHeaders: o.MaxHeaders,
		NoteReplaced: o.NoteReplaced,
	})
	if err != nil {
		return fail(err)
	}
	if o.Path == Stream {
		if o.Checkpoint != nil {
			return fail(errNoCheckpoint)
		}
		if o.Stdin == nil {
			o.Stdin = os.Stdin
		}
	}
	s := &Source{opts: o, layout: layout}
	s.total.Store(-1)
	if o.Checkpoint != nil && o.Compression == members.None { // elsewhere a mark counts in the content
		if from := o.Checkpoint.lastInput(o.Place); from != nil {
			s.read.Store(from.Byte) // the part from before is no progress of this run
		}
	}
	return s, nil
}

// place names the file as the place of its messages.
func (s *Source) place() string { return cmp.Or(s.opts.Place, s.opts.Path) }

var errNoCheckpoint = errors.New("a checkpoint needs a regular file")

// Progress returns the number of bytes of the file that have been read, and of
// how many; -1 if that is unknown.
func (s *Source) Progress() (read, total int64) { return s.read.Load(), s.total.Load() }

// Serve calls serve with the file's one lane. An error in the file's content
// ends the lane after the messages before it; it wraps an error of package
// format, or comes from Archive.OpenEnd.
func (s *Source) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) (err error) {
	if ck := s.opts.Checkpoint; ck != nil {
		defer func() {
			if save := ck.flushChanges(); save != nil && !errors.Is(err, save) { // it may have ended the lane
				err = errors.Join(err, save)
			}
		}()
	}
	in, err := s.openInput()
	if err != nil {
		return fmt.Errorf("source %s: %w", s.opts.Path, err)
	}
	defer in.close()

	start, err := s.findStart()
	if err != nil {
		return fmt.Errorf("source %s: %w", s.opts.Path, err)
	}
	held := pipeline.NewAssignment(s.place())
	if p, ok := in.(*pipe); ok {
		p.wake = held.Changed()
	}
	return held.Hold(ctx, true, func(ctx context.Context) error {
		l, err := s.newLane(ctx, in, start)
		if err != nil {
			return fmt.Errorf("source %s: %w", s.opts.Path, err)
		}
		l.held = held
		err = s.serveLane(ctx, l, serve)
		if !errors.Is(err, pipeline.ErrLost) || ctx.Err() != nil {
			return err
		}
		if in.isLive() {
			return fmt.Errorf("source %s: it cannot be read again: %s", s.opts.Path, err.Error())
		}
		before := start.at.Next
		start = l.committedStart() // the sink lost the lane; the file is still ours
		if start.at.Next > before {
			held.NoteMoved()
		}
		return err
	})
}

// HoldsAll implements pipeline.Source: nobody else reads the file.
func (s *Source) HoldsAll() bool { return true }

// serveLane calls serve and tells the observer.
func (s *Source) serveLane(ctx context.Context, l *lane, serve func(context.Context, pipeline.Lane) error) (err error) {
	if s.opts.Observer != nil {
		ended := s.opts.Observer.ServeLane(l.reportPlaces)
		defer func() { ended(err) }()
	}
	return serve(ctx, l)
}
