package file

import (
	"context"
	"errors"
	"slices"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// writer is a lane's way into a file. Records gather in buf up to flushSize before they are written.
type writer struct {
	sink     *Sink
	lane     *lane // the source's, if it is of this package
	out      output
	enc      format.Encoder
	buf      []byte
	bytes    int64               // the output's length
	kept     outputAt            // the output as of the last position
	refusals pipeline.RefusalSet // of one Write
	written  map[string]int64    // places whose messages below an offset are in the output already
	err      error               // of Write; what the output holds beyond kept is then unknown
}

const flushSize = 256 << 10

// Write returns when the messages are durable; in a file that appears when it is complete, and in one
// whose checkpoint the source shares, they are part of an open transaction.
//
// Messages that the file cannot hold are refused one by one.
func (w *writer) Write(ctx context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
	if w.err == nil {
		w.err = w.write(ctx, msgs, done)
	}
	if w.err != nil {
		return w.err
	}
	return w.refusals.Result(false)
}

func (w *writer) write(ctx context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
	if err := ctx.Err(); err != nil && len(msgs) > 0 { // a position alone costs no time
		return err
	}
	w.refusals.Reset()
	for i := range msgs {
		m := &msgs[i]
		if m.Origin.Offset < w.written[m.Origin.Place] || w.refusals.Leave(i, m.Origin.Place) {
			continue
		}
		var err error
		if w.buf, err = w.enc.Append(w.buf, m); err != nil {
			w.refusals.Refuse(i, m.Origin.Place, err)
			continue
		}
		if len(w.buf) >= flushSize {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	if w.refusals.Result(false) != nil {
		done = nil // it comes with what is left
	}
	if w.sink.opts.Checkpoint != nil {
		return w.note(done)
	}
	if len(msgs) > 0 { // before a position as well: dead letters are waited for
		if err := w.out.sync(); err != nil {
			return err
		}
	}
	if done != nil {
		w.keep()
	}
	return nil
}

func (w *writer) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	n, err := w.out.Write(w.buf)
	w.bytes += int64(n)
	w.buf = w.buf[:0]
	return err
}

// keep takes what has been written for what Close leaves in place.
func (w *writer) keep() {
	w.kept.Bytes = w.bytes
	w.kept.State = w.enc.AppendState(w.kept.State[:0])
}

// note keeps what has been written together with the position it came with, in the checkpoint.
func (w *writer) note(done *pipeline.Progress) error {
	if done == nil {
		return nil
	}
	w.keep()
	at := outputAt{Bytes: w.kept.Bytes, State: slices.Clone(w.kept.State)}
	var from *inputAt
	if w.lane != nil {
		mark := w.lane.advance(done)
		from = &mark
	}
	ck := w.sink.opts.Checkpoint
	err := ck.note(func(r *content) {
		r.move(done.Places)
		r.Output = &at
		if from != nil {
			r.Input = from
		}
	})
	if err != nil || w.lane != nil {
		return err // a source that shares the checkpoint forgets what the output forgets
	}
	return ck.flush()
}

// Close drops what came without a position and ends the file. One that was to appear as a whole
// appears if its source has been read to the end, and is removed if not.
func (w *writer) Close(ctx context.Context) error {
	complete := w.lane == nil || w.lane.complete()
	_, atOnce := w.out.(whole)
	var err error
	if complete || !atOnce {
		err = w.finish(ctx, complete)
	}
	keep := complete && err == nil
	err = errors.Join(err, w.out.close(keep))
	if atOnce && !keep {
		w.lane.rewind()
	}
	w.sink.closed(w, keep || !atOnce)
	return err
}

func (w *writer) finish(ctx context.Context, complete bool) error {
	if w.bytes != w.kept.Bytes {
		switch err := w.out.cut(w.kept.Bytes); {
		case errors.Is(err, errNoCut):
			return nil // no end record says that this is all
		case err != nil:
			return err
		}
		w.bytes = w.kept.Bytes
	}
	// Also when no byte is too many: what the encoder has counted may never have been written.
	if err := w.enc.Restore(w.kept.State); err != nil {
		return err
	}
	if ck := w.sink.opts.Checkpoint; ck != nil {
		if err := ck.flush(); err != nil {
			return err
		}
		ck.attach(nil)
	}
	if !complete {
		return nil
	}
	end, err := w.enc.End(ctx, w.buf[:0])
	if err != nil {
		return err
	}
	w.buf = end
	return w.flush()
}
