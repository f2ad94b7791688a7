package file

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/streamcrypt/streamcrypt/connectors/format"
)

// openToAppend opens an existing file to write behind the messages in it.
func (s *Sink) openToAppend(ctx context.Context, w *writer) error {
	h, err := s.disk.open(s.opts.Path, os.O_RDWR)
	if err != nil {
		return err
	}
	w.out = growing{h}
	switch {
	case w.pack != nil:
		err = s.cutTornMember(ctx, w, h)
	case s.layout.Format() == format.Seq:
		err = s.cutTornRecord(ctx, w, h)
	default:
		err = s.cutTornLine(w, h)
	}
	if err != nil {
		return err
	}
	return w.beginOutput()
}

// cutTornLine cuts a last line that a torn write has left, and ends one that
// merely lacks its line feed. A last line that this package cannot have written
// belongs to somebody else: the file is refused and not changed.
func (s *Sink) cutTornLine(w *writer, h handle) error {
	size, err := h.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return err
	}
	tail := make([]byte, min(size, int64(s.layout.MaxRecord())))
	if _, err := h.Seek(size-int64(len(tail)), io.SeekStart); err != nil {
		return err
	}
	if _, err := io.ReadFull(h, tail); err != nil {
		return err
	}
	w.bytes = size
	last := tail[bytes.LastIndexByte(tail, '\n')+1:]
	if len(last) == 0 {
		return nil
	}
	if len(last) == len(tail) && int64(len(tail)) < size {
		return fmt.Errorf("%w: the last line", format.ErrTooLarge)
	}
	whole, err := s.layout.CheckLastLine(last)
	if err != nil {
		return err
	}
	if whole {
		w.buf = append(w.buf, '\n')
		return w.flushBuffer()
	}
	w.bytes -= int64(len(last))
	return truncateTo(h, w.bytes)
}

// cutTornRecord checks the records of a seq, counts them for the next end
// record, and cuts the last one if its write was torn. Damage further up is an
// error, so that the records behind it are not lost.
func (s *Sink) cutTornRecord(ctx context.Context, w *writer, h handle) error {
	dec := s.layout.NewDecoder()
	win := format.Window{Read: readContent(h)}
	index, torn, err := s.readRecords(ctx, dec, &win)
	if torn {
		if err = s.checkRest(ctx, &win); err != nil {
			err = fmt.Errorf("%s: %w", dec.Locate(s.opts.Path, index), err)
		}
	}
	if err != nil {
		return err
	}
	return w.continueAfter(h, dec, win.Offset, torn)
}

// readRecords reads the records of a seq to its end, and counts its messages.
// torn says that the error may come from a torn write, which began where win
// stands.
func (s *Sink) readRecords(
	ctx context.Context, dec format.Decoder, win *format.Window,
) (index int64, torn bool, err error) {
	b := new(format.Batch)
	fail := func(err error) error { return fmt.Errorf("%s: %w", dec.Locate(s.opts.Path, index), err) }
	for {
		n, err := dec.Next(win.Bytes(), win.EOF)
		switch {
		case err != nil:
			return index, format.IsTorn(err), fail(err)
		case n > 0 && dec.InPieces():
			most := s.layout.MaxRecord()
			return index, false, fail(fmt.Errorf("%w: a record of more than %d bytes", format.ErrTooLarge, most))
		case n > 0:
			b.Reset()
			is, err := b.Decode(ctx, dec, win.Take(n))
			if err != nil {
				return index, false, fail(err)
			}
			if is {
				index++
			}
		case win.EOF:
			return index, false, nil
		default:
			if err := win.Fill(ctx); err != nil {
				return index, false, err
			}
		}
	}
}

// continueAfter makes the encoder continue behind the last record of dec, and
// cuts the file there if more follows.
func (w *writer) continueAfter(h handle, dec format.Decoder, size int64, isCut bool) error {
	if err := format.ContinueAfter(dec, w.enc, isCut, w.sink.begun); err != nil {
		return err
	}
	w.bytes = size
	return truncateTo(h, size)
}

// checkRest checks that everything behind the last good record can be cut as
// the rest of a torn write. No whole record may follow: a damaged length would
// otherwise cost all records behind it. A write that reached the disk out of
// order is refused for the same reason, and a person has to look at the file.
func (s *Sink) checkRest(ctx context.Context, win *format.Window) error {
	for !win.EOF {
		if len(win.Bytes()) > s.layout.MaxTorn() {
			return fmt.Errorf("%w: damaged, and much follows", format.ErrMalformed)
		}
		if err := win.Fill(ctx); err != nil {
			return err
		}
	}
	if format.ContainsRecord(win.Bytes()) {
		return fmt.Errorf("%w: damaged, and whole records follow", format.ErrMalformed)
	}
	return nil
}
