package file

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/streamcrypt/streamcrypt/connectors/format"
)

// grow opens a file that is there to write behind the messages in it.
func (s *Sink) grow(ctx context.Context, w *writer) error {
	h, err := s.disk.open(s.opts.Path, os.O_RDWR)
	if err != nil {
		return err
	}
	w.out = growing{h}
	if s.layout.Format() == format.Seq {
		err = s.growSeq(ctx, w, h)
	} else {
		err = s.growLines(w, h)
	}
	if err != nil {
		return err
	}
	return w.start()
}

// growLines cuts a last line that is the rest of a torn write, and ends one that merely lacks its line
// feed. A last line that cannot have come from here is somebody's: the file is refused as it is.
func (s *Sink) growLines(w *writer, h handle) error {
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
		return w.flush()
	}
	w.bytes -= int64(len(last))
	return truncate(h, w.bytes)
}

// growSeq checks the records of a seq, counts them for the next end record and cuts the last one if
// a write did not come to its end there. Damage further up is an error: what follows it is not lost.
func (s *Sink) growSeq(ctx context.Context, w *writer, h handle) error {
	dec := s.layout.NewDecoder()
	win := window{in: seekable{h}, read: func(int) {}}
	b := new(format.Batch)
	var index int64
	fail := func(err error) error { return fmt.Errorf("%s: %w", dec.Locate(s.opts.Path, index), err) }
	for {
		n, err := dec.Next(win.bytes(), win.eof)
		switch {
		case format.IsTorn(err):
			if err := s.onlyRest(ctx, &win); err != nil {
				return fail(err)
			}
			return w.follow(h, dec, win.at)
		case err != nil:
			return fail(err)
		case n > 0:
			b.Reset()
			m, err := b.Decode(ctx, dec, win.take(n))
			if err != nil {
				return fail(err)
			}
			if m != nil {
				index++
			}
		case win.eof:
			return w.follow(h, dec, win.at)
		default:
			if err := win.fill(ctx); err != nil {
				return err
			}
		}
	}
}

// follow lets the encoder go on where the decoder has ended, and cuts the file there.
func (w *writer) follow(h handle, dec format.Decoder, size int64) error {
	if err := format.ContinueAfter(dec, w.enc); err != nil {
		return err
	}
	w.bytes = size
	return truncate(h, size)
}

// onlyRest checks that what is left in the window and the file can be cut as the rest of a torn write:
// no whole record may lie in it, or a damaged length would cost all that comes after. So a write that
// reached the disk out of order is refused as well, and left to a person to look at.
func (s *Sink) onlyRest(ctx context.Context, win *window) error {
	for !win.eof {
		if len(win.bytes()) > s.layout.MaxTorn() {
			return fmt.Errorf("%w: damaged, and much follows", format.ErrMalformed)
		}
		if err := win.fill(ctx); err != nil {
			return err
		}
	}
	if format.ContainsRecord(win.bytes()) {
		return fmt.Errorf("%w: damaged, and whole records follow", format.ErrMalformed)
	}
	return nil
}

// seekable is a file that was opened to be written.
type seekable struct{ handle }

func (f seekable) read(ctx context.Context, p []byte) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return f.Read(p)
}

func (seekable) live() bool { return false }
func (seekable) close()     {}
