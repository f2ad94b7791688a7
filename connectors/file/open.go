package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// open decides how the output is written, and opens it.
func (s *Sink) open(ctx context.Context, from pipeline.Lane) (*writer, error) {
	own, _ := from.(*lane)
	ck := s.opts.Checkpoint
	if own != nil && ck != nil && own.source.opts.Checkpoint != ck {
		return nil, errors.New("source and sink have different checkpoints")
	}
	w := &writer{sink: s, lane: own, enc: s.layout.NewEncoder()}
	there, regular := true, false
	if s.opts.Path != Stream {
		var err error
		if there, regular, err = exists(s.disk, s.opts.Path); err != nil {
			return nil, err
		}
	}
	goOn := s.opts.Append || s.begun
	var err error
	switch {
	case !regular:
		err = s.pipe(w)
	case ck != nil:
		err = s.resume(ctx, w, there)
	case there && goOn:
		err = s.grow(ctx, w)
	case own != nil && own.source.opts.Checkpoint == nil && !goOn:
		err = s.whole(w)
	default:
		err = s.create(w, there)
	}
	if err != nil && w.out != nil {
		err = errors.Join(err, w.out.close(false))
	}
	return w, err
}

// closed frees the sink for the next lane, which goes on behind what was kept.
func (s *Sink) closed(w *writer, kept bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	s.begun = s.begun || kept
	if _, ok := w.out.(stream); ok {
		s.sent = w
	}
}

// pipe opens what cannot be cut, and goes on where the last lane left it.
func (s *Sink) pipe(w *writer) error {
	switch {
	case s.opts.Checkpoint != nil:
		return errNoCheckpoint
	case s.opts.Path == Stream:
		w.out = stream{Writer: s.opts.Stdout}
	default:
		h, err := s.disk.open(s.opts.Path, os.O_WRONLY)
		if err != nil {
			return err
		}
		w.out = stream{Writer: h, closer: h}
	}
	if s.sent != nil {
		w.enc, w.bytes = s.sent.enc, s.sent.bytes
	}
	return w.start()
}

// start takes over what the output holds, and begins it if that is nothing.
func (w *writer) start() error {
	if w.bytes == 0 {
		w.buf = w.enc.Begin(w.buf[:0])
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.kept = outputAt{Bytes: w.bytes, State: w.enc.AppendState(nil)}
	return nil
}

func (s *Sink) whole(w *writer) error {
	a, err := newAtomic(s.disk, s.opts.Path, s.opts.Overwrite)
	if err != nil {
		return err
	}
	w.out = whole{a}
	return w.start()
}

func (s *Sink) create(w *writer, there bool) error {
	if there && !s.opts.Overwrite {
		return fs.ErrExist
	}
	return s.inPlace(w, 0)
}

// inPlace opens the file and cuts it to size.
func (s *Sink) inPlace(w *writer, size int64) error {
	flag := os.O_RDWR
	if size == 0 {
		flag |= os.O_CREATE
	}
	h, err := s.disk.open(s.opts.Path, flag)
	if err != nil {
		return err
	}
	w.out = growing{h}
	if err := truncate(h, size); err != nil {
		return err
	}
	w.bytes = size
	if err := s.disk.syncDir(filepath.Dir(s.opts.Path)); err != nil {
		return err
	}
	return w.start()
}

// resume cuts the output to what the checkpoint knows of it. At first that is noted before the
// output is touched, so a run that is killed here can be begun again.
func (s *Sink) resume(ctx context.Context, w *writer, there bool) error {
	ck := s.opts.Checkpoint
	at := ck.outputAt()
	if at == nil {
		if err := s.adopt(ctx, w, there); err != nil {
			return err
		}
		at = ck.outputAt()
	} else if s.opts.Ordered && w.lane == nil {
		w.written = ck.nexts()
	}
	if size, _, err := s.disk.stat(s.opts.Path); at.Bytes > 0 && (err != nil || size < at.Bytes) {
		return fmt.Errorf("the file is shorter than its checkpoint says: %w", errors.Join(format.ErrTruncated, err))
	}
	if err := w.enc.Restore(at.State); err != nil {
		return err
	}
	if err := s.inPlace(w, at.Bytes); err != nil {
		return err
	}
	ck.attach(w.out.sync)
	return nil
}

// adopt makes the file, as it is, what the checkpoint begins with.
func (s *Sink) adopt(ctx context.Context, w *writer, there bool) error {
	if there && !s.opts.Append && !s.opts.Overwrite {
		return fs.ErrExist
	}
	at := outputAt{State: w.enc.AppendState(nil)}
	if there && s.opts.Append {
		if err := s.grow(ctx, w); err != nil {
			return err
		}
		at = w.kept
		err := w.out.close(true)
		if w.out = nil; err != nil {
			return err
		}
	}
	ck := s.opts.Checkpoint
	if err := ck.note(func(r *content) { r.Output = &at }); err != nil {
		return err
	}
	return ck.flush()
}
