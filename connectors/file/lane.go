package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/members"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// lane is one reading of a file. Read is called by one goroutine, Commit by
// others.
type lane struct {
	source  *Source
	held    *pipeline.Assignment
	place   string
	first   startPoint // where this lane began
	in      input
	dec     format.Decoder
	win     format.Window
	known   known // over the bytes that were taken from win
	index   int64 // of the next record
	begun   bool  // the start has been reached
	timed   bool  // a message in front of the start has a time
	untimed int64 // messages in front of the start that have none
	within  bool  // the end that was asked for is in front of a record that was decoded
	err     error // the end of reading; returned after the messages before it
	shelf   format.Shelf

	mu    sync.Mutex
	done  pipeline.Position
	marks []inputMark // points to resume at, oldest first; the first is at or before done
	fixed bool        // there are no more marks: the next run reads on from the last one
	seen  []seenMark  // the points behind batches since then
	read  int64       // where the last batch ended
	ended bool        // Read has returned io.EOF
	total int64       // the number of records; valid once ended
}

func (s *Source) openInput() (input, error) {
	in, size, err := openInput(s.opts.Path, s.opts.Compression, s.opts.Stdin)
	if err != nil {
		return nil, err
	}
	if in.isLive() && s.opts.Checkpoint != nil {
		in.close()
		return nil, errNoCheckpoint
	}
	s.total.Store(size)
	return in, nil
}

// startPoint is the point where a lane begins to read.
type startPoint struct {
	at   pipeline.Position
	from inputMark
}

func (s *Source) findStart() (startPoint, error) {
	r := startPoint{at: pipeline.Position{Place: s.place(), Next: s.opts.Start.Record, Last: -1}}
	ck := s.opts.Checkpoint
	if ck == nil {
		return r, nil
	}
	if at, ok := ck.positionOf(s.place()); ok {
		r.at = at
	}
	if from := ck.lastInput(s.opts.Place); from != nil {
		r.from = *from
	}
	beyond := max(r.from.Byte, r.from.Seen) > s.total.Load() && s.opts.Compression == members.None
	if r.from.Record > r.at.Next || beyond {
		return r, fmt.Errorf("the checkpoint is beyond its end: %w", errOtherFile)
	}
	return r, nil
}

func (s *Source) newLane(ctx context.Context, in input, r startPoint) (*lane, error) {
	l := &lane{
		source: s, place: s.place(), first: r, done: r.at, dec: s.layout.NewDecoder(),
		index: r.from.Record, marks: []inputMark{r.from},
		in: in, read: r.at.Next, begun: r.at.Next > 0 || s.opts.Start.Time.IsZero(),
	}
	l.win.Read, l.win.Offset = l.readInput, r.from.Byte
	if f, ok := in.(stored); ok {
		var err error
		if l.known, err = s.resumeKnown(ctx, f, r.from); err != nil {
			return nil, err
		}
		if err := f.seekTo(ctx, r.from.Byte); err != nil {
			return nil, err
		}
		s.read.Store(f.countRead())
	}
	if r.from.Byte == 0 {
		return l, nil
	}
	return l, l.dec.Restore(r.from.State)
}

// readInput reads the file and counts its bytes.
func (l *lane) readInput(ctx context.Context, p []byte) (int, error) {
	n, err := l.in.read(ctx, p)
	if f, ok := l.in.(stored); ok {
		l.source.read.Store(f.countRead())
	} else {
		l.source.read.Add(int64(n))
	}
	return n, err
}

// Assignment implements pipeline.Lane.
func (l *lane) Assignment() *pipeline.Assignment { return l.held }

// Start returns the file's position in the checkpoint, or its beginning.
func (l *lane) Start() []pipeline.Position { return []pipeline.Position{l.first.at} }

// Read returns the next messages: as many as fit into limit, and from a pipe
// only those that have arrived. A file that is parked is at its end: it takes
// another run.
func (l *lane) Read(ctx context.Context, limit int) (*pipeline.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	stop := l.held.Stop(l.place)
	if l.index >= stop {
		return nil, io.EOF
	}
	b := l.shelf.TakeBatch(limit)
	err := l.fillBatch(ctx, b, limit, stop)
	if b.Len() == 0 {
		l.shelf.PutBatch(b)
		if l.err == io.EOF {
			l.noteEnd()
		}
		return nil, err
	}
	l.addMark()
	return b.Finish(pipeline.Position{Place: l.place, Next: l.index, Last: l.index - 1}), nil
}

// fillBatch fills b with messages before the one at which the file is parked.
// The caller returns the error only if b is empty. An error of the file's
// content is kept in l.err and returned again.
func (l *lane) fillBatch(ctx context.Context, b *format.Batch, limit int, stop int64) error {
	for l.err == nil && l.index < stop {
		if l.isAtUntil() {
			l.err = io.EOF
			break
		}
		n, err := l.dec.Next(l.win.Bytes(), l.win.EOF)
		switch {
		case err != nil:
			l.setFault(err)
		case n > 0:
			if !b.Fits(n, limit) || b.Len() > 0 && l.dec.InPieces() {
				return nil // marks lie between records
			}
			l.decodeRecord(ctx, l.win.Take(n), b)
			if l.err != nil {
				l.win.PutBack(n) // the next run has to stop at this record, too
			}
		case l.win.EOF:
			if err := l.dec.Finish(); err != nil {
				l.setFault(err)
			} else {
				l.err = l.endOfFile()
			}
		case b.Len() > 0 && l.in.isLive():
			return nil // the messages that have arrived are enough
		default:
			err := l.win.Fill(ctx)
			if errors.Is(err, errWoken) { // the file may have been parked
				stop = l.held.Stop(l.place)
				continue
			}
			switch {
			case err == nil:
			case ctx.Err() != nil:
				return err
			case isContent(err): // of a file that is compressed
				l.err = fmt.Errorf("%s: %w", l.place, err)
			default:
				l.err = fmt.Errorf("source %s: %w", l.place, err)
				return l.err
			}
		}
	}
	if l.err == nil && b.Len() == 0 {
		return io.EOF // parked at the message that comes next
	}
	return l.err
}

// decodeRecord decodes a record, or a piece of one. A record that can never be
// read is a message with a fault.
func (l *lane) decodeRecord(ctx context.Context, record []byte, b *format.Batch) {
	is, err := b.Decode(ctx, l.dec, record)
	if fault, ok := errors.AsType[*pipeline.Reject](err); ok {
		b.AddFault(record, fault)
		is, err = true, nil
	}
	if err != nil {
		l.setFault(err)
		return
	}
	if is && l.endsBefore(b.Last()) {
		b.DropLast()
		return
	}
	l.known.addBytes(record)
	if is {
		l.keepLast(b)
	}
}

func isReject(err error) bool {
	_, is := errors.AsType[*pipeline.Reject](err)
	return is
}

func (l *lane) setFault(err error) {
	l.err = fmt.Errorf("%s: %w", l.dec.Locate(l.place, l.index), err)
}
