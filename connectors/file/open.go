package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// passing are the errors with a cause that lies around a run and may pass:
// somebody frees space, grants a right, mounts a folder.
var passing = []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, fs.ErrPermission, fs.ErrNotExist}

// mayPass tells whether the cause of an error is one of them.
func mayPass(err error) bool {
	return slices.ContainsFunc(passing, func(cause error) bool { return errors.Is(err, cause) })
}

// markPassing marks an error for the pipeline if its cause may pass.
func markPassing(err error) error {
	if mayPass(err) {
		return pipeline.Passing(err)
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
	w.beginPacking()
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
		err = s.resumeFile(ctx, w, from, there)
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
		if err := w.endPart(); err != nil {
			return err
		}
	}
	if err := w.rereadTail(); err != nil {
		return err
	}
	w.markKept()
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
	return s.openInPlace(w, s.opts.Path, 0)
}

// openInPlace opens a file and cuts it to size.
func (s *Sink) openInPlace(w *writer, path string, size int64) error {
	flag := os.O_RDWR
	if size == 0 {
		flag |= os.O_CREATE
	}
	h, err := s.disk.open(path, flag)
	if err != nil {
		return err
	}
	w.out = growing{h}
	if s.opts.Checkpoint != nil {
		if err := s.disk.lockFile(h); err != nil {
			return err
		}
		if err := w.compareTail(h, s.opts.Checkpoint.lastOutput(s.opts.From)); err != nil {
			return err
		}
	}
	if err := truncateTo(h, size); err != nil {
		return err
	}
	w.bytes = size
	if err := s.disk.syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	return w.beginOutput()
}
