package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// lane is a file being read. Read is called by one goroutine, Commit by others.
type lane struct {
	source *Source
	held   *pipeline.Assignment
	place  string
	first  resume // where this lane began
	dec    format.Decoder
	win    window
	index  int64 // of the next record
	err    error // what ended reading, after the messages before it
	shelf  format.Shelf

	mu    sync.Mutex
	done  pipeline.Position
	marks []inputAt // where reading could begin again, oldest first; the first is at or before done
	ended bool      // Read has returned io.EOF
	end   int64     // how many records the file has, once ended
}

func (s *Source) open() (input, error) {
	if s.opts.Path == Stream {
		return newPump(s.opts.Stdin), nil
	}
	f, err := os.Open(s.opts.Path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = errors.New("is a folder")
	case info.Mode().IsRegular():
		s.total.Store(info.Size())
		return regular{f}, nil
	case s.opts.Checkpoint != nil:
		err = errNoCheckpoint
	default:
		return newPump(f), nil
	}
	return nil, errors.Join(err, f.Close())
}

// resume is where a lane takes up reading.
type resume struct {
	at   pipeline.Position
	from inputAt
}

func (s *Source) start() (resume, error) {
	r := resume{at: pipeline.Position{Place: s.opts.Path, Last: -1}}
	ck := s.opts.Checkpoint
	if ck == nil {
		return r, nil
	}
	if at, ok := ck.position(s.opts.Path); ok {
		r.at = at
	}
	if from := ck.input(); from != nil {
		r.from = *from
	}
	if r.from.Record > r.at.Next || r.from.Byte > s.total.Load() {
		return r, fmt.Errorf("the checkpoint is beyond its end: %w", errOtherFile)
	}
	return r, nil
}

func (s *Source) lane(in input, r resume) (*lane, error) {
	l := &lane{
		source: s, place: s.opts.Path, first: r, done: r.at, dec: s.layout.NewDecoder(),
		index: r.from.Record, marks: []inputAt{r.from},
		win: window{in: in, at: r.from.Byte, read: func(n int) { s.read.Add(int64(n)) }},
	}
	if s.opts.Checkpoint != nil {
		l.win.keep = tailSize
	}
	if f, ok := in.(regular); ok {
		before, err := s.recognise(f, r.from)
		if err != nil {
			return nil, err
		}
		if _, err := f.Seek(r.from.Byte, io.SeekStart); err != nil {
			return nil, err
		}
		l.win.begin(before)
		s.read.Store(r.from.Byte)
	}
	if r.from.Byte == 0 {
		return l, nil
	}
	return l, l.dec.Restore(r.from.State)
}

// Assignment implements pipeline.Lane.
func (l *lane) Assignment() *pipeline.Assignment { return l.held }

// Start returns the file's position in the checkpoint, or its beginning.
func (l *lane) Start() []pipeline.Position { return []pipeline.Position{l.first.at} }

// Read returns the next messages: as many as fit limit, from a pipe as many as
// are there. A file that is parked is at its end: what it needs is another run.
func (l *lane) Read(ctx context.Context, limit int) (*pipeline.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	stop := l.held.Stop(l.place)
	if l.index >= stop {
		return nil, io.EOF
	}
	b := l.shelf.Take(limit)
	err := l.read(ctx, b, limit, stop)
	if b.Len() == 0 {
		l.shelf.Put(b)
		if l.err == io.EOF {
			l.atEnd()
		}
		return nil, err
	}
	l.mark()
	return b.Finish(pipeline.Position{Place: l.place, Next: l.index, Last: l.index - 1}), nil
}

// read fills b with messages before the one at which the file is parked. Its
// error counts only if b stays empty; one of the file's own comes again.
func (l *lane) read(ctx context.Context, b *format.Batch, limit int, stop int64) error {
	for l.err == nil && l.index < stop {
		n, err := l.dec.Next(l.win.bytes(), l.win.eof)
		switch {
		case err != nil:
			l.fault(err)
		case n > 0:
			if !b.Fits(n, limit) {
				return nil
			}
			if err := l.decode(ctx, l.win.take(n), b); err != nil {
				return err
			}
			if l.err != nil {
				l.win.putBack(n) // the next run has to stop at this record, too
			}
		case l.win.eof:
			if err := l.dec.Finish(); err != nil {
				l.fault(err)
			} else {
				l.err = io.EOF
			}
		case b.Len() > 0 && l.win.in.live():
			return nil // what is there now; more is not waited for
		default:
			err := l.win.fill(ctx)
			if errors.Is(err, errWoken) { // the file may have been parked
				stop = l.held.Stop(l.place)
				continue
			}
			if err != nil {
				if ctx.Err() == nil {
					l.err = fmt.Errorf("source %s: %w", l.place, err)
				}
				return err
			}
		}
	}
	if l.err == nil && b.Len() == 0 {
		return io.EOF // parked at the message that comes next
	}
	return l.err
}

func (l *lane) decode(ctx context.Context, record []byte, b *format.Batch) error {
	m, err := b.Decode(ctx, l.dec, record)
	switch {
	case err != nil:
		l.fault(err)
		return nil
	case m == nil:
		return nil
	}
	m.Origin = pipeline.Origin{Place: l.place, Offset: l.index, Previous: -1}
	l.index++
	if m.Origin.Offset < l.first.at.Next {
		b.DropLast() // read before the restart
	}
	return nil
}

func (l *lane) fault(err error) {
	l.err = fmt.Errorf("%s: %w", l.dec.Locate(l.place, l.index), err)
}

// mark remembers the place behind the batch that was just read. There are as many marks as batches
// in flight.
func (l *lane) mark() {
	if l.win.in.live() {
		return
	}
	m := inputAt{Record: l.index, Byte: l.win.at, State: l.dec.AppendState(nil)}
	if ck := l.source.opts.Checkpoint; ck != nil {
		m.Tail = ck.tail(l.win.taken())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.marks = append(l.marks, m)
}

func (l *lane) atEnd() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended, l.end = true, l.index
}

// Commit notes how far the file has been dealt with, in the checkpoint if there is one.
func (l *lane) Commit(_ context.Context, done *pipeline.Progress) error {
	from := l.advance(done)
	ck := l.source.opts.Checkpoint
	if ck == nil {
		return nil
	}
	return ck.note(func(r *content) { r.move(done.Places); r.Input = &from })
}

// advance takes over progress and returns where reading could begin again after it.
func (l *lane) advance(done *pipeline.Progress) inputAt {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range done.Places {
		if p.Place == l.place {
			l.done = p
		}
	}
	for len(l.marks) > 1 && l.marks[1].Record <= l.done.Next {
		l.marks = append(l.marks[:0], l.marks[1:]...)
	}
	if len(l.marks) == 0 {
		return inputAt{}
	}
	return l.marks[0]
}

// committed is where the lane would begin if it were served again.
func (l *lane) committed() resume {
	l.mu.Lock()
	defer l.mu.Unlock()
	return resume{at: l.done, from: l.marks[0]}
}

// rewind forgets what was committed: the output it went to is gone.
func (l *lane) rewind() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done, l.marks = l.first.at, []inputAt{l.first.from}
}

// complete tells whether the whole file has been read and dealt with.
func (l *lane) complete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended && l.done.Next == l.end
}
