package envelope

import "io"

// input is a read buffer whose bytes may be changed in place, so that chunks
// are opened where they were read. A slice that peek returned is valid until
// the next peek; skip does not touch it.
type input struct {
	r          io.Reader
	buf        []byte
	start, end int
	err        error // of r, io.EOF included; sticky
}

// readAhead is how much is read at once, in bytes.
const readAhead = 256 << 10

// peek returns at least n bytes from the front, or all that are left when r
// ends before. An error is r's, and not io.EOF.
func (in *input) peek(n int) ([]byte, error) {
	if in.end-in.start < n && in.err == nil {
		in.fillBuffer(n)
	}
	if in.err != nil && in.err != io.EOF && in.end-in.start < n {
		return nil, in.err
	}
	return in.buf[in.start:in.end], nil
}

func (in *input) fillBuffer(n int) {
	if len(in.buf)-in.start < n {
		buf := in.buf
		if len(buf) < n {
			buf = make([]byte, max(n, min(2*len(buf), 4*readAhead), 4096))
			if n > 4096 && n < readAhead {
				buf = make([]byte, readAhead)
			}
		}
		in.end = copy(buf, in.buf[in.start:in.end])
		in.buf, in.start = buf, 0
	}
	for in.end-in.start < n && in.err == nil {
		var got int
		got, in.err = in.r.Read(in.buf[in.end:])
		in.end += got
	}
}

func (in *input) skip(n int) { in.start += n }

// unread is all that has been read and not skipped.
func (in *input) unread() []byte { return in.buf[in.start:in.end] }

// takeFront gives away the first n bytes, which have been peeked, with the
// buffer in which they lie, and goes on in spare.
func (in *input) takeFront(n int, spare []byte) (front, memory []byte) {
	front, memory = in.buf[in.start:in.start+n], in.buf
	rest := in.buf[in.start+n : in.end]
	if len(spare) < len(rest) {
		spare = make([]byte, len(rest))
	}
	in.start, in.end = 0, copy(spare, rest)
	in.buf = spare
	return front, memory
}

// readAll returns everything up to the end, if that is at most limit bytes.
func (in *input) readAll(limit int) (b []byte, ok bool, err error) {
	for want := 4096; ; want *= 2 {
		b, err := in.peek(min(want, limit+1))
		switch {
		case err != nil:
			return nil, false, err
		case len(b) > limit:
			return nil, false, nil
		case len(b) < want: // the end
			return b, true, nil
		}
	}
}
