package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// PartialName returns the name of an output with a checkpoint until it is
// complete.
func PartialName(path string) string { return path + ".partial" }

// growingPath returns the file that the output is in as of a mark.
func (s *Sink) growingPath(at *outputMark) string {
	if at.Partial {
		return PartialName(s.opts.Path)
	}
	return s.opts.Path
}

// resumeFile opens the output at the length in the checkpoint. The first run
// notes that length before it touches the output, so that a run which is killed
// here can start again. Changes that are late, as after a full disk, are made
// durable before the output that they describe is changed further.
func (s *Sink) resumeFile(ctx context.Context, w *writer, from pipeline.Lane, there bool) error {
	ck := s.opts.Checkpoint
	if err := ck.flushChanges(); err != nil {
		return err
	}
	at := ck.lastOutput(s.opts.From)
	switch {
	case at == nil:
		if err := s.adoptFile(ctx, w, there); err != nil {
			return err
		}
		at = ck.lastOutput(s.opts.From)
	case s.opts.Ordered && w.lane == nil:
		w.written = ck.nextOffsets()
		s.noteGaps(w.written, from)
	}
	if at != nil && !at.Partial && s.opts.Partial {
		if err := s.finishName(); err != nil { // a run was killed before it could
			return err
		}
	}
	path := s.growingPath(at)
	size, _, err := s.disk.stat(path)
	if at.Bytes > 0 && (err != nil || size < at.Bytes) {
		return fmt.Errorf("%s is shorter than its checkpoint says: %w", path, errors.Join(format.ErrTruncated, err))
	}
	if at.Ended > 0 && size != at.Ended { // a run of ours notes first that it cuts the end
		return fmt.Errorf("%s: %w", path, errOtherOutput)
	}
	if err := w.enc.Restore(at.State); err != nil {
		return err
	}
	if at.Ended > 0 {
		err = s.openEnded(w, path, at)
	} else {
		err = s.openInPlace(w, path, at.Bytes)
	}
	if err != nil {
		return err
	}
	ck.setOutput(s.opts.From, w.out.sync)
	return nil
}

// noteGaps compares the start of a lane with the positions of the output.
func (s *Sink) noteGaps(written map[string]int64, from pipeline.Lane) {
	if from == nil || s.opts.NoteGap == nil {
		return
	}
	for _, p := range from.Start() {
		if reached, known := written[p.Place]; known && p.Next > reached {
			s.opts.NoteGap(p.Place, reached, p.Next)
		}
	}
}

// openEnded opens an output that has its end already. It is not touched unless
// more messages come.
func (s *Sink) openEnded(w *writer, path string, at *outputMark) error {
	h, err := s.disk.open(path, os.O_RDWR)
	if err != nil {
		return err
	}
	w.out = growing{h}
	if err := s.disk.lockFile(h); err != nil {
		return err
	}
	if err := w.compareTail(h, at); err != nil {
		return err
	}
	_, err = h.Seek(at.Bytes, io.SeekStart)
	w.bytes, w.ended = at.Bytes, true
	w.kept = outputMark{Bytes: at.Bytes, State: at.State, Tail: at.Tail}
	return err
}

// cutEnd removes the end of the output, because more messages come.
func (w *writer) cutEnd() error {
	w.ended = false
	ck := w.sink.opts.Checkpoint
	if err := ck.noteChange(func(r *content) {
		m := r.editMarks(w.sink.opts.From)
		at := *m.Output
		at.Ended = 0
		m.Output = &at
	}); err != nil {
		return err
	}
	if err := ck.flushChanges(); err != nil {
		return err
	}
	return w.out.cutTo(w.bytes)
}

// adoptFile notes the file's present state as the checkpoint's first.
func (s *Sink) adoptFile(ctx context.Context, w *writer, there bool) error {
	if there && !s.opts.Append && !s.opts.Overwrite {
		return fs.ErrExist
	}
	at := outputMark{State: w.enc.AppendState(nil), Partial: s.opts.Partial, Compression: s.opts.Compression}
	if at.Partial {
		partial := PartialName(s.opts.Path)
		if there, _, err := findFile(s.disk, partial); err != nil || there {
			return errors.Join(err, fmt.Errorf("%s is that of another run: %w", partial, fs.ErrExist))
		}
	}
	if there && s.opts.Append {
		if err := s.openToAppend(ctx, w); err != nil {
			return err
		}
		at.Bytes, at.State, at.Tail = w.kept.Bytes, w.kept.State, w.kept.Tail
		err := w.out.close(true)
		if w.out = nil; err != nil {
			return err
		}
	}
	ck := s.opts.Checkpoint
	if err := ck.noteChange(func(r *content) { r.editMarks(s.opts.From).Output = &at }); err != nil {
		return err
	}
	return ck.flushChanges()
}

// Finish gives a partial output its name. It is called after a run that has
// carried everything, when the Writer is closed. Other outputs have their name
// already.
func (s *Sink) Finish() error {
	if err := s.finishSeveral(context.Background()); err != nil {
		return err
	}
	ck := s.opts.Checkpoint
	if ck == nil || !s.opts.Partial {
		return nil
	}
	at := ck.lastOutput(s.opts.From)
	if at == nil || !at.Partial {
		return nil
	}
	err := ck.noteChange(func(r *content) {
		m := r.editMarks(s.opts.From)
		at := *m.Output
		at.Partial = false
		m.Output = &at
	})
	if err == nil {
		err = ck.flushChanges()
	}
	if err == nil {
		err = s.finishName()
	}
	if err != nil {
		return markPassing(fmt.Errorf("sink %s: %w", s.opts.Path, err))
	}
	return nil
}

// finishName renames a partial output that the checkpoint says is complete, if
// that has not been done.
func (s *Sink) finishName() error {
	partial := PartialName(s.opts.Path)
	there, _, err := findFile(s.disk, partial)
	if err != nil || !there {
		return err
	}
	if s.disk.isSame(partial, s.opts.Path) { // killed between its two names
		return s.disk.remove(partial)
	}
	if err := moveFile(s.disk, partial, s.opts.Path, s.opts.Overwrite); err != nil {
		return fmt.Errorf("the complete output is in %s: %w", partial, err)
	}
	return s.disk.syncDir(filepath.Dir(s.opts.Path))
}
