package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// passing are the errors with a cause that lies around a run and may pass:
// somebody frees space, grants a right, mounts a folder.
var passing = []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, fs.ErrPermission, fs.ErrNotExist}

// markPassing marks an error for the pipeline if its cause may pass.
func markPassing(err error) error {
	for _, cause := range passing {
		if errors.Is(err, cause) {
			return pipeline.Passing(err)
		}
	}
	return err
}

// openOutput chooses how the output is written, and opens it.
func (s *Sink) openOutput(ctx context.Context, from pipeline.Lane) (*writer, error) {
	own, _ := from.(*lane)
	ck := s.opts.Checkpoint
	if own != nil && ck != nil && own.source.opts.Checkpoint != ck {
		return nil, errors.New("source and sink have different checkpoints")
	}
	w := &writer{sink: s, lane: own, enc: s.layout.NewEncoder()}
	there, regular := true, false
	if s.opts.Path != Stream {
		var err error
		if there, regular, err = findFile(s.disk, s.opts.Path); err != nil {
			return nil, err
		}
	}
	goOn := s.opts.Append || s.begun
	var err error
	switch {
	case !regular:
		err = s.openStream(w)
	case ck != nil:
		err = s.resumeFile(ctx, w, there)
	case there && goOn:
		err = s.openToAppend(ctx, w)
	case own != nil && own.source.opts.Checkpoint == nil && !goOn:
		err = s.openWhole(w)
	default:
		err = s.createFile(w, there)
	}
	if err != nil && w.out != nil {
		err = errors.Join(err, w.out.close(false))
	}
	return w, err
}

// noteClosed frees the sink for the next lane, which continues behind the bytes
// that were kept.
func (s *Sink) noteClosed(w *writer, kept bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	s.begun = s.begun || kept
	if _, ok := w.out.(streamOutput); ok {
		s.sent = w
	}
}

// openStream opens an output that cannot be cut, and continues where the last
// lane ended.
func (s *Sink) openStream(w *writer) error {
	switch {
	case s.opts.Checkpoint != nil:
		return errNoCheckpoint
	case s.opts.Path == Stream:
		w.out = streamOutput{Writer: s.opts.Stdout}
	default:
		h, err := s.disk.open(s.opts.Path, os.O_WRONLY)
		if err != nil {
			return err
		}
		w.out = streamOutput{Writer: h, closer: h}
	}
	if s.sent != nil {
		w.enc, w.bytes = s.sent.enc, s.sent.bytes
	}
	return w.beginOutput()
}

// beginOutput takes over the bytes that the output already has, or writes its
// first ones.
func (w *writer) beginOutput() error {
	if w.bytes == 0 {
		w.buf = w.enc.Begin(w.buf[:0])
		if err := w.flushBuffer(); err != nil {
			return err
		}
	}
	w.kept = outputMark{Bytes: w.bytes, State: w.enc.AppendState(nil)}
	return nil
}

func (s *Sink) openWhole(w *writer) error {
	a, err := beginAtomic(s.disk, s.opts.Path, s.opts.Overwrite)
	if err != nil {
		return err
	}
	w.out = whole{a}
	return w.beginOutput()
}

func (s *Sink) createFile(w *writer, there bool) error {
	if there && !s.opts.Overwrite {
		return fs.ErrExist
	}
	return s.openInPlace(w, 0)
}

// openInPlace opens the file and cuts it to size.
func (s *Sink) openInPlace(w *writer, size int64) error {
	flag := os.O_RDWR
	if size == 0 {
		flag |= os.O_CREATE
	}
	h, err := s.disk.open(s.opts.Path, flag)
	if err != nil {
		return err
	}
	w.out = growing{h}
	if err := truncateTo(h, size); err != nil {
		return err
	}
	w.bytes = size
	if err := s.disk.syncDir(filepath.Dir(s.opts.Path)); err != nil {
		return err
	}
	return w.beginOutput()
}

// resumeFile cuts the output to the length in the checkpoint. The first run
// notes that length before it touches the output, so that a run which is killed
// here can start again.
func (s *Sink) resumeFile(ctx context.Context, w *writer, there bool) error {
	ck := s.opts.Checkpoint
	at := ck.lastOutput()
	if at == nil {
		if err := s.adoptFile(ctx, w, there); err != nil {
			return err
		}
		at = ck.lastOutput()
	} else if s.opts.Ordered && w.lane == nil {
		w.written = ck.nextOffsets()
	}
	if size, _, err := s.disk.stat(s.opts.Path); at.Bytes > 0 && (err != nil || size < at.Bytes) {
		return fmt.Errorf("the file is shorter than its checkpoint says: %w", errors.Join(format.ErrTruncated, err))
	}
	if err := w.enc.Restore(at.State); err != nil {
		return err
	}
	if err := s.openInPlace(w, at.Bytes); err != nil {
		return err
	}
	ck.setOutput(w.out.sync)
	return nil
}

// adoptFile notes the file's present state as the checkpoint's first.
func (s *Sink) adoptFile(ctx context.Context, w *writer, there bool) error {
	if there && !s.opts.Append && !s.opts.Overwrite {
		return fs.ErrExist
	}
	at := outputMark{State: w.enc.AppendState(nil)}
	if there && s.opts.Append {
		if err := s.openToAppend(ctx, w); err != nil {
			return err
		}
		at = w.kept
		err := w.out.close(true)
		if w.out = nil; err != nil {
			return err
		}
	}
	ck := s.opts.Checkpoint
	if err := ck.noteChange(func(r *content) { r.Output = &at }); err != nil {
		return err
	}
	return ck.flushChanges()
}
