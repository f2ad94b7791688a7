package file

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// grow opens a file that is there to write behind the messages in it.
func (s *Sink) grow(ctx context.Context, w *writer) error {
	h, err := s.disk.open(s.opts.Path, os.O_RDWR)
	if err != nil {
		return err
	}
	w.out = growing{h}
	if s.opts.Format == Seq {
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
	tail := make([]byte, min(size, int64(s.limits.record)))
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
		return fmt.Errorf("%w: the last line", ErrTooLarge)
	}
	p := lineParser{b: bytes.Clone(last), batch: new(batch), max: s.limits.headers}
	if p.message(new(pipeline.Message)) == nil {
		w.buf = append(w.buf, '\n')
		return w.flush()
	}
	if !torn(last) {
		return fmt.Errorf("%w: the last line is no message, and not cut off either", ErrMalformed)
	}
	w.bytes -= int64(len(last))
	return truncate(h, w.bytes)
}

// torn tells whether a line may be what is left of one that was being written: it begins as one, or
// with zeros that never were replaced, and is not whole.
func torn(line []byte) bool {
	return (line[0] == '{' || line[0] == 0) && !json.Valid(line)
}

// growSeq checks the records of a seq, counts them for the next end record and cuts the last one if
// a write did not come to its end there. Damage further up is an error: what follows it is not lost.
func (s *Sink) growSeq(ctx context.Context, w *writer, h handle) error {
	dec := newSeqDecoder(s.opts.Archive, s.limits)
	win := window{in: seekable{h}, read: func(int) {}}
	b := new(batch)
	var index int64
	fail := func(err error) error { return fmt.Errorf("%s: %w", dec.at(s.opts.Path, index), err) }
	for {
		n, err := dec.next(win.bytes(), win.eof)
		switch {
		case errors.Is(err, ErrTruncated), errors.Is(err, errEmpty), errors.Is(err, errChecksum):
			if err := s.onlyRest(ctx, &win); err != nil {
				return fail(err)
			}
			return w.follow(h, dec, win.at)
		case err != nil:
			return fail(err)
		case n > 0:
			b.reset()
			is, err := dec.decode(ctx, b.keep(win.take(n)), b)
			if err != nil {
				return fail(err)
			}
			if is {
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
func (w *writer) follow(h handle, dec *seqDecoder, size int64) error {
	if err := w.enc.restore(dec.roll.appendState(nil)); err != nil {
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
		if len(win.bytes()) > s.limits.record+frameSize {
			return fmt.Errorf("%w: damaged, and much follows", ErrMalformed)
		}
		if err := win.fill(ctx); err != nil {
			return err
		}
	}
	if hasRecord(win.bytes()) {
		return fmt.Errorf("%w: damaged, and whole records follow", ErrMalformed)
	}
	return nil
}

// hasRecord tells whether a whole record begins anywhere in b but at its start.
func hasRecord(b []byte) bool {
	for i := 1; len(b)-i > frameSize+1; i++ {
		length := binary.BigEndian.Uint32(b[i:])
		content := b[i+frameSize:]
		if length < 2 || uint64(length) > uint64(len(content)) || content[0] > typeEnd || content[1] != cborArray|5 {
			continue
		}
		if crc32.Checksum(content[:length], castagnoli) == binary.BigEndian.Uint32(b[i+4:]) {
			return true
		}
	}
	return false
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
