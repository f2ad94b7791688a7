package batch

import (
	"errors"
	"fmt"
	"io"
)

// step is how much is inflated at once. When a read is full, the rest is copied
// to the next read.
const step = 32 << 10

// inflater is a batch's records on their way out of a codec.
type inflater struct {
	codecs      *Codecs   // taken, while stream is not nil
	stream      io.Reader // of inflated bytes; nil while there is no batch
	compression Compression
	left        int    // bytes that the batch may still inflate to
	carry       []byte // inflated, and not yet in anyone's Records
	probe       [1]byte
}

// beginBatch begins with body.
func (in *inflater) beginBatch(codecs *Codecs, c Compression, body []byte, limits Limits) error {
	if codecs.taken {
		// Another Reader is in the middle of a batch, and its bytes must not be
		// mixed with these.
		codecs = &Codecs{Limit: codecs.Limit}
	}
	codecs.taken = true
	in.codecs, in.compression, in.left, in.carry = codecs, c, limits.Batch, in.carry[:0]
	stream, err := codecs.openBody(c, body)
	if err != nil {
		codecs.closeBody()
		return in.wrapError(err)
	}
	in.stream = stream
	return nil
}

// wrapError makes the error of a codec one of this package.
func (in *inflater) wrapError(err error) error {
	if errors.Is(err, ErrTooLarge) || errors.Is(err, ErrCompression) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrCompression, in.compression, err)
}

// inflateSome inflates at least one byte into b. It returns io.EOF at the end.
func (in *inflater) inflateSome(b []byte) (int, error) {
	if len(b) > in.left+1 {
		b = b[:in.left+1]
	}
	for range 100 {
		n, err := in.stream.Read(b)
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
			return 0, in.wrapError(err)
		}
	}
	return 0, in.wrapError(io.ErrNoProgress)
}

// checkEnd checks that nothing follows. Some codecs check their sums only here.
func (in *inflater) checkEnd() error {
	n := len(in.carry)
	if n == 0 {
		var err error
		if n, err = in.inflateSome(in.probe[:]); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	if n > 0 {
		return malformed("bytes behind the last record")
	}
	return nil
}

func (in *inflater) endBatch() {
	if in.stream == nil {
		return
	}
	in.codecs.closeBody()
	in.codecs, in.stream = nil, nil
	if cap(in.carry) > chunkKept {
		in.carry = nil
	}
}

func (r *Reader) readInflated(into *Records, limit int) error {
	if len(into.Messages) > 0 && into.size >= limit {
		return nil
	}
	limits := r.Limits.withDefaults()
	if r.in.stream == nil {
		if r.Codecs == nil {
			r.Codecs = new(Codecs)
		}
		if err := r.in.beginBatch(r.Codecs, r.info.Compression, r.body, limits); err != nil {
			return err
		}
	}
	buf := into.reserveRoom(max(1, len(r.in.carry)))
	from, to := 0, copy(buf, r.in.carry) // inflated, not yet in messages
	for r.left > 0 {
		record, rest, err := cutRecord(buf[from:to])
		if err != nil {
			return err
		}
		if rest == nil {
			if buf, from, to, err = r.inflateMore(into, buf, from, to, limits.Piece); err != nil {
				return err
			}
			continue
		}
		done, err := r.addRecord(into, record, limit)
		if err != nil {
			return err
		}
		if !done {
			break
		}
		from = to - len(rest)
	}
	into.takeRoom(from)
	r.in.carry = append(r.in.carry[:0], buf[from:to]...)
	if r.left == 0 {
		return r.in.checkEnd()
	}
	return nil
}

// inflateMore inflates more of the record at buf[from:to], and moves it to
// where there is room for it if need be.
func (r *Reader) inflateMore(into *Records, buf []byte, from, to, piece int) ([]byte, int, int, error) {
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
		into.takeRoom(from)
		moved := into.reserveRoom(need)
		buf, from, to = moved, 0, copy(moved, buf[from:to])
	}
	got, err := r.in.inflateSome(buf[to:min(len(buf), max(to+step, from+need))])
	if errors.Is(err, io.EOF) {
		return nil, 0, 0, malformed("%d records are missing", r.left)
	}
	return buf, from, to + got, err
}
