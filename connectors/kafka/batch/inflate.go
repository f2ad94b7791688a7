package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// step is how much is inflated at once. What is left of it when a read is full
// is copied to the next read.
const step = 32 << 10

// inflater is a batch's records on their way out of a codec.
type inflater struct {
	codec       io.ReadCloser
	source      bytes.Reader
	compression Compression
	left        int    // bytes that the batch may still inflate to
	carry       []byte // inflated, and not yet in anyone's Records
}

// open begins with body. The codecs trust what their input says of its own
// size, so it is checked before.
func (in *inflater) open(c Compression, body []byte, limits Limits) error {
	if err := inspect(c, body, limits.Piece); err != nil {
		return err
	}
	in.source.Reset(body)
	in.compression, in.left, in.carry = c, limits.Batch, in.carry[:0]
	// The codec must not see a *bytes.Buffer: zstd inflates small ones at once,
	// without a bound.
	in.codec = c.codec().NewReader(&in.source)
	return nil
}

// read inflates at least one byte into b. It returns io.EOF at the end.
func (in *inflater) read(b []byte) (int, error) {
	if len(b) > in.left+1 {
		b = b[:in.left+1]
	}
	for range 100 {
		n, err := in.codec.Read(b)
		if in.left -= n; in.left < 0 {
			return 0, fmt.Errorf("%w: record batch inflates beyond its limit", ErrTooLarge)
		}
		if n > 0 {
			return n, nil // an error comes again
		}
		if errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, fmt.Errorf("%w: %s: %w", ErrCompression, in.compression, err)
		}
	}
	return 0, fmt.Errorf("%w: %s: %w", ErrCompression, in.compression, io.ErrNoProgress)
}

// end checks that nothing follows. Some codecs check their sums only here.
func (in *inflater) end() error {
	n := len(in.carry)
	if n == 0 {
		var err error
		if n, err = in.read(make([]byte, 1)); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	if n > 0 {
		return malformed("bytes behind the last record")
	}
	return nil
}

func (in *inflater) close() {
	if in.codec == nil {
		return
	}
	_ = in.codec.Close() // of a reader: there is nothing to lose
	in.codec = nil
	in.source.Reset(nil)
	if cap(in.carry) > chunkKept {
		in.carry = nil
	}
}

func (r *Reader) readInflated(into *Records, limit int) error {
	if len(into.Messages) > 0 && into.size >= limit {
		return nil
	}
	limits := r.Limits.withDefaults()
	if r.in.codec == nil {
		if err := r.in.open(r.info.Compression, r.body, limits); err != nil {
			return err
		}
	}
	buf := into.room(max(1, len(r.in.carry)))
	from, to := 0, copy(buf, r.in.carry) // inflated, not yet in messages
	for r.left > 0 {
		record, rest, err := cut(buf[from:to])
		if err != nil {
			return err
		}
		if rest == nil {
			if buf, from, to, err = r.fill(into, buf, from, to, limits.Piece); err != nil {
				return err
			}
			continue
		}
		done, err := r.add(into, record, limit)
		if err != nil {
			return err
		}
		if !done {
			break
		}
		from = to - len(rest)
	}
	into.take(from)
	r.in.carry = append(r.in.carry[:0], buf[from:to]...)
	if r.left == 0 {
		return r.in.end()
	}
	return nil
}

// fill inflates more of the record at buf[from:to], and moves it to where there
// is room for it if need be.
func (r *Reader) fill(into *Records, buf []byte, from, to, piece int) ([]byte, int, int, error) {
	length, n, err := recordLength(buf[from:to])
	if err != nil {
		return nil, 0, 0, err
	}
	need := n + length
	if n == 0 {
		need = to - from + 1
	}
	if need > piece {
		return nil, 0, 0, fmt.Errorf("%w: record of %d bytes in a compressed batch", ErrTooLarge, need)
	}
	if from+need > len(buf) {
		into.take(from)
		moved := into.room(need)
		buf, from, to = moved, 0, copy(moved, buf[from:to])
	}
	got, err := r.in.read(buf[to:min(len(buf), max(to+step, from+need))])
	if errors.Is(err, io.EOF) {
		return nil, 0, 0, malformed("%d records are missing", r.left)
	}
	return buf, from, to + got, err
}
