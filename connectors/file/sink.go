package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/members"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// SinkOptions say how a Sink writes.
//
// A new file that is filled from a Source of this package without a checkpoint
// is written under a temporary name and appears when the source has been read
// to its end. Every other output grows in place and is synced to disk before
// Write returns.
type SinkOptions struct {
	// Path is the file, or Stream for standard output.
	Path string
	// From is the Place of the input that the output is made from, where each
	// of several has its own; else "".
	From string
	// Several says that the output takes one lane after the other. It is
	// complete with Finish, and given up with Abandon.
	Several bool
	// Format is NDJSON, Lines or Seq.
	Format format.Format
	// Compression is how the output is compressed, or members.None. Each Write
	// with a position ends a member, so that every position in a Checkpoint is
	// at the end of one.
	Compression members.Kind
	// Archive seals a seq's end records with Tag and SealEnd. With OpenEnd the
	// end records of an existing file are checked as well.
	Archive format.Archive
	// Overwrite allows the Sink to replace an existing file. Without it and
	// Append an existing file is an error.
	Overwrite bool
	// Append continues behind the messages of an existing file. A torn last
	// record is cut first; a last record that cannot be torn is kept, and the
	// file refused. A seq gets a new end record over all of its messages.
	Append bool
	// Checkpoint, if set, keeps the output's length with the positions of its
	// source, and cuts the output there when it is opened again. A Source of
	// this package must share it.
	Checkpoint *Checkpoint
	// Partial says that the output has an end, and has the name Path with
	// ".partial" behind it until Finish. It needs a Checkpoint, and does not go
	// with Append.
	Partial bool
	// Ordered says that the source returns the messages of each place in order,
	// also after a restart. Messages below a position in the Checkpoint are
	// then dropped, since the output has them already.
	Ordered bool
	// NoteGap, if set, is called for a place that an Ordered source begins
	// further on than the Checkpoint: messages between, if there are any, are
	// not in the output. Another member of the source's group may have them.
	NoteGap func(place string, reached, begins int64)
	// MaxRecord is the most bytes of one record, format.DefaultMaxRecord if 0.
	MaxRecord int
	// MaxHeaders is the most headers of one message, format.DefaultMaxHeaders
	// if 0.
	MaxHeaders int
	// Stdout is written when Path is Stream, os.Stdout if nil.
	Stdout io.Writer
}

// Sink writes one file, for one lane at a time. It is a pipeline.Sink.
type Sink struct {
	opts   SinkOptions
	layout *format.Layout
	disk   disk
	// packers compress messages before their turn. A FolderSink shares them.
	packers *packers

	mu    sync.Mutex
	busy  bool
	begun bool    // this sink has written the file
	going *writer // between the lanes of Several
	sent  *writer // of the last lane, if the output is a pipe, which cannot begin again
}

// NewSink checks the options and opens nothing.
func NewSink(o SinkOptions) (*Sink, error) {
	fail := func(err error) (*Sink, error) { return nil, fmt.Errorf("sink %s: %w", o.Path, err) }
	if o.Path == "" {
		return nil, errors.New("sink file: no path")
	}
	layout, err := format.ForWriting(format.Options{
		Format: o.Format, Archive: o.Archive, MaxRecord: o.MaxRecord, MaxHeaders: o.MaxHeaders,
	})
	if err != nil {
		return fail(err)
	}
	switch {
	case o.Overwrite && o.Append:
		return fail(errors.New("append and overwrite exclude each other"))
	case o.Several && o.Path == Stream:
		return fail(errors.New("a pipe takes one input"))
	case o.Partial && (o.Append || o.Checkpoint == nil):
		return fail(errors.New("a partial output needs a checkpoint, and is not appended to"))
	}
	if o.Path == Stream {
		if o.Checkpoint != nil {
			return fail(errNoCheckpoint)
		}
		if o.Stdout == nil {
			o.Stdout = os.Stdout
		}
	}
	if err := o.checkPacking(); err != nil {
		return fail(err)
	}
	return &Sink{opts: o, layout: layout, disk: osDisk{}, packers: new(packers)}, nil
}

// Open opens the output for lane. A second lane is refused until the Writer of
// the first one is closed.
func (s *Sink) Open(ctx context.Context, lane pipeline.Lane) (pipeline.Writer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy {
		return nil, fmt.Errorf("sink %s: a file takes one lane at a time", s.opts.Path)
	}
	if s.going != nil {
		return s.goOn(lane)
	}
	w, err := s.openOutput(ctx, lane)
	if err != nil {
		return nil, markPassing(fmt.Errorf("sink %s: %w", s.opts.Path, err))
	}
	s.busy = true
	if s.opts.Several {
		s.going = w
	}
	return w, nil
}

// Check tells whether m can be written with a value of valueSize bytes, which
// may differ from m.Value while that still has to be transformed. See
// format.Layout.Check. It is safe for concurrent use.
func (s *Sink) Check(m *pipeline.Message, valueSize int) error { return s.layout.Check(m, valueSize) }
