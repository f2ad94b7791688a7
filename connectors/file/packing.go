package file

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/members"
)

// A compressed output grows by members that stand alone, a gzip member or a
// zstd frame for each write. So an output can be cut where a write has ended,
// and every length of it that was durable is a whole file.

// beginPacking has a writer compress, if its output is compressed.
func (w *writer) beginPacking() {
	if kind := w.sink.opts.Compression; kind != members.None {
		w.pack = members.NewWriter(kind, writeFunc(w.writeOut))
	}
}

// checkPacking refuses a checkpoint of an output with another compression.
func (o *SinkOptions) checkPacking() error {
	if o.Checkpoint == nil {
		return nil
	}
	if at := o.Checkpoint.lastOutput(o.From); at != nil && at.Compression != o.Compression {
		return fmt.Errorf("its checkpoint is of an output with compression %s, not %s",
			cmp.Or(at.Compression, "none"), cmp.Or(o.Compression, "none"))
	}
	return nil
}

// writeFunc is an io.Writer.
type writeFunc func(p []byte) (int, error)

// Write implements io.Writer.
func (f writeFunc) Write(p []byte) (int, error) { return f(p) }

// endPart writes the buffer, and ends the member that it is in.
func (w *writer) endPart() error {
	if err := w.flushBuffer(); err != nil || w.pack == nil {
		return err
	}
	return w.pack.EndMember()
}

// dropPart forgets a member that has not been ended, since its write failed.
func (w *writer) dropPart() {
	if w.pack != nil {
		w.pack.DropMember()
	}
}

// fillEmpty gives a compressed output without content the member that makes it
// one.
func (w *writer) fillEmpty() error {
	if w.pack == nil || w.bytes > 0 {
		return nil
	}
	return w.pack.WriteEmpty()
}

// cutTornMember checks the content of a compressed output, and cuts a last
// member that is the rest of a torn write. The content before that must end
// with a whole record: nothing can be cut out of the middle of a member.
func (s *Sink) cutTornMember(ctx context.Context, w *writer, h handle) error {
	whole, isCut, err := s.findWhole(ctx, h)
	if err != nil {
		return err
	}
	var last []byte
	if whole > 0 {
		if _, err := h.Seek(0, io.SeekStart); err != nil {
			return err
		}
		in := members.NewReader(s.opts.Compression, io.LimitReader(h, whole))
		defer in.Close()
		if s.layout.Format() == format.Seq {
			dec := s.layout.NewDecoder()
			win := format.Window{Read: readContent(in)}
			if _, _, err := s.readRecords(ctx, dec, &win); err != nil {
				return err
			}
			if err := format.ContinueAfter(dec, w.enc, isCut, w.sink.begun); err != nil {
				return err
			}
		} else if last, err = s.readLastLine(ctx, in); err != nil {
			return err
		}
	}
	w.bytes = whole
	if len(last) > 0 {
		switch ended, err := s.layout.CheckLastLine(last); {
		case err != nil:
			return err
		case !ended:
			return fmt.Errorf("%w: the last line is not whole, and is no member of its own", format.ErrTruncated)
		}
		w.buf = append(w.buf, '\n')
	}
	if err := truncateTo(h, whole); err != nil {
		return err
	}
	return w.endPart()
}

// findWhole returns where the last whole member of an output ends, and whether
// the rest of a torn write follows. A write that reached the disk in part may
// have left zeros, so the rest may be damaged; but no whole member may follow.
func (s *Sink) findWhole(ctx context.Context, h handle) (whole int64, torn bool, err error) {
	size, err := h.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return 0, false, err
	}
	if _, err := h.Seek(0, io.SeekStart); err != nil {
		return 0, false, err
	}
	in := members.NewReader(s.opts.Compression, h)
	defer in.Close()
	piece := make([]byte, knownPiece)
	for read := readContent(in); err == nil; {
		_, err = read(ctx, piece)
	}
	switch {
	case err == io.EOF:
		return in.Whole(), false, nil
	case !format.IsTorn(err) && !errors.Is(err, format.ErrMalformed):
		return 0, false, err
	case size-in.Whole() > int64(s.layout.MaxTorn()):
		return 0, false, fmt.Errorf("%w, and more follows than a torn write leaves", err)
	}
	rest := make([]byte, size-in.Whole())
	if _, err := h.Seek(in.Whole(), io.SeekStart); err != nil {
		return 0, false, err
	}
	if _, err := io.ReadFull(h, rest); err != nil {
		return 0, false, err
	}
	if s.opts.Compression.ContainsMember(rest) {
		return 0, false, fmt.Errorf("%w, and whole members follow", err)
	}
	return in.Whole(), true, nil
}

// readLastLine returns the bytes behind the last line feed.
func (s *Sink) readLastLine(ctx context.Context, in io.Reader) (last []byte, err error) {
	piece := make([]byte, knownPiece)
	for read := readContent(in); ; {
		n, err := read(ctx, piece)
		if i := bytes.LastIndexByte(piece[:n], '\n'); i >= 0 {
			last = append(last[:0], piece[i+1:n]...)
		} else {
			last = append(last, piece[:n]...)
		}
		switch {
		case err == io.EOF:
			return last, nil
		case err != nil:
			return nil, err
		case len(last) > s.layout.MaxRecord():
			return nil, fmt.Errorf("%w: the last line", format.ErrTooLarge)
		}
	}
}

// readContent returns a format.Window's Read.
func readContent(in io.Reader) func(context.Context, []byte) (int, error) {
	return func(ctx context.Context, p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return in.Read(p)
	}
}
