package file

import (
	"context"
	"errors"
	"slices"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/members"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// writer writes the messages of one lane. Records gather in buf up to flushSize
// before they are written.
type writer struct {
	sink     *Sink
	lane     *lane // of the source, if that is of this package
	out      output
	enc      format.Encoder
	buf      []byte
	pack     *members.Writer     // between buf and out; nil if the output is not compressed
	bytes    int64               // the output's length
	ended    bool                // the output of an earlier run has its end behind bytes
	kept     outputMark          // the output at the last position
	tail     tail                // of the output
	written  map[string]int64    // by place: messages below this offset are in the output already
	refusals pipeline.RefusalSet // of one Write
	err      error               // of Write; the output behind kept is then unknown
}

const flushSize = 256 << 10

// Write returns when the messages are durable. In a file that appears when it
// is complete, and in one whose checkpoint the source shares, they are part of
// an open transaction. Messages that the file cannot hold are refused one by
// one.
func (w *writer) Write(ctx context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
	if w.err == nil {
		w.err = w.appendMessages(ctx, msgs, done)
	}
	if w.err != nil {
		return w.markPassing(w.err)
	}
	return w.refusals.Result(false)
}

// markPassing marks an error for the pipeline if its cause may pass and the
// output can be cut to the part that is kept: the next lane then begins there.
func (w *writer) markPassing(err error) error {
	if _, ok := w.out.(streamOutput); ok {
		return err
	}
	return markPassing(err)
}

func (w *writer) appendMessages(ctx context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
	if err := ctx.Err(); err != nil && len(msgs) > 0 { // a position alone takes no time
		return err
	}
	w.refusals.Reset()
	for i := range msgs {
		m := &msgs[i]
		if m.Origin.Offset < w.written[m.Origin.Place] || w.refusals.LeaveBehind(i, m.Origin.Place) {
			continue
		}
		var err error
		if w.buf, err = w.enc.Append(w.buf, m); err != nil {
			w.refusals.Refuse(i, m.Origin.Place, err)
			continue
		}
		if len(w.buf) >= flushSize {
			if err := w.flushBuffer(); err != nil {
				return err
			}
		}
	}
	if w.refusals.Result(false) != nil {
		done = nil // it comes with the messages that are left
	}
	if err := w.endPart(); err != nil {
		return err
	}
	return w.finishWrite(ctx, len(msgs) > 0, done)
}

// finishWrite makes messages durable, if there are any, with their position.
func (w *writer) finishWrite(ctx context.Context, hasMessages bool, done *pipeline.Progress) error {
	if w.sink.opts.Checkpoint != nil {
		return w.noteProgress(ctx, done)
	}
	if hasMessages { // without a position too: dead letters must be durable
		if err := w.out.sync(); err != nil {
			return err
		}
	}
	if done != nil {
		w.markKept()
	}
	return nil
}

func (w *writer) flushBuffer() error {
	if len(w.buf) == 0 {
		return nil
	}
	err := w.beginWriting()
	if err != nil {
		return err
	}
	if w.pack != nil {
		_, err = w.pack.Write(w.buf)
	} else {
		_, err = w.writeOut(w.buf)
	}
	w.buf = w.buf[:0]
	return err
}

// beginWriting cuts the end of an earlier run, behind which nothing is written.
func (w *writer) beginWriting() error {
	if w.ended {
		return w.cutEnd()
	}
	return nil
}

// writeOut writes bytes as they lie in the output.
func (w *writer) writeOut(p []byte) (int, error) {
	n, err := w.out.Write(p)
	w.bytes += int64(n)
	w.tail.addBytes(p[:n])
	return n, err
}

// markKept takes the written bytes into the part of the output that Close
// keeps.
func (w *writer) markKept() {
	w.kept.Bytes = w.bytes
	w.kept.State = w.enc.AppendState(w.kept.State[:0])
	w.kept.Tail = w.digestTail()
}

// noteProgress notes the length of the output and its position together in the
// checkpoint.
func (w *writer) noteProgress(ctx context.Context, done *pipeline.Progress) error {
	if done == nil {
		return nil
	}
	w.markKept()
	bytes, state, last := w.kept.Bytes, slices.Clone(w.kept.State), w.kept.Tail
	var from *inputMark
	if w.lane != nil {
		mark, err := w.lane.advanceTo(ctx, done)
		if err != nil {
			return err
		}
		from = &mark
	}
	ck := w.sink.opts.Checkpoint
	err := ck.noteChange(func(r *content) {
		r.setPlaces(done.Places)
		m := r.editMarks(w.sink.opts.From)
		at := *m.Output
		at.Bytes, at.State, at.Tail = bytes, state, last
		m.Output = &at
		if from != nil {
			r.editMarks(w.lane.source.opts.Place).moveInput(from)
		}
	})
	if err != nil || w.lane != nil {
		return err // the source shares the checkpoint, so both forget the same
	}
	return ck.flushChanges()
}

// Close drops messages that came without a position and ends the file. A file
// that appears as a whole does so if its source has been read to the end, and
// is removed otherwise.
func (w *writer) Close(ctx context.Context) error {
	if w.sink.opts.Several {
		return w.letGo()
	}
	complete := w.lane == nil || w.lane.isComplete()
	_, atOnce := w.out.(whole)
	var err error
	if complete || !atOnce {
		err = w.endOutput(ctx, complete)
	}
	keep := complete && err == nil
	err = errors.Join(err, w.out.close(keep))
	if atOnce && !keep {
		w.lane.forgetCommits()
	}
	w.sink.noteClosed(w, keep || !atOnce)
	return err
}

// dropRest drops messages that came without a position.
func (w *writer) dropRest() error {
	w.dropPart()
	w.buf = w.buf[:0]
	if w.bytes != w.kept.Bytes {
		if err := w.out.cutTo(w.kept.Bytes); err != nil {
			return err
		}
		w.bytes = w.kept.Bytes
		if err := w.rereadTail(); err != nil {
			return err
		}
	}
	// Needed even if no byte was cut: the encoder may have counted messages
	// that were never written.
	return w.enc.Restore(w.kept.State)
}

func (w *writer) endOutput(ctx context.Context, complete bool) error {
	err := w.dropRest()
	if errors.Is(err, errNoCut) {
		return nil // without an end record the output does not claim to be complete
	}
	if ck := w.sink.opts.Checkpoint; ck != nil {
		err = errors.Join(err, ck.flushChanges())
		ck.setOutput(w.sink.opts.From, nil) // it is synced by now, and closed next
	}
	if err != nil {
		return err
	}
	if !complete || w.ended {
		return nil
	}
	end, err := w.enc.End(ctx, w.buf[:0])
	if err != nil {
		return err
	}
	w.buf = end
	if err := w.endPart(); err != nil {
		return err
	}
	if err := w.fillEmpty(); err != nil {
		return err
	}
	return w.noteEnd()
}

// noteEnd notes in the checkpoint that the output has its end.
func (w *writer) noteEnd() error {
	ck := w.sink.opts.Checkpoint
	if ck == nil {
		return nil
	}
	if err := w.out.sync(); err != nil {
		return err
	}
	err := ck.noteChange(func(r *content) {
		m := r.editMarks(w.sink.opts.From)
		at := *m.Output
		at.Ended = w.bytes
		m.Output = &at
	})
	if err != nil {
		return err
	}
	return ck.flushChanges()
}
