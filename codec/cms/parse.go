package cms

import "fmt"

// Parse reads a whole envelope strictly, but for the recipients, which
// ParseRecipients checks. It allocates nothing for an envelope that is well
// formed. The error wraps one of the package's sentinels.
func Parse(b []byte, e *Envelope) error {
	if parseFast(b, e) {
		return nil
	}
	return parseStrict(b, e)
}

// ParseRecord reads a key record or a dictionary record strictly, but for its
// recipients (docs/envelope.md, section 8). Nothing in it is trustworthy before
// the DEK's commitment has been compared, and nothing of a dictionary record
// before its tag has verified.
func ParseRecord(b []byte, kind Kind, e *Envelope) error {
	if err := Parse(b, e); err != nil {
		return err
	}
	if e.ByReference || e.Chunked || kind == KeyRecord && len(e.Ciphertext) != tagSize {
		return fmt.Errorf("%w: not a record", ErrMalformed)
	}
	return e.CheckKind(kind)
}

// parseFast accepts every envelope without passed-over labels that parseStrict
// accepts, and no other but for its recipients.
func parseFast(b []byte, e *Envelope) bool {
	s := shapeFor(b)
	if s == nil || !s.readHeader(b, &e.Header) {
		return false
	}
	b = b[s.size:]
	e.Ciphertext, e.Segments, e.Recipients = nil, nil, nil
	if e.Chunked {
		segments, rest, ok := scanSegments(b, e.ChunkSize)
		if !ok {
			return false
		}
		e.Segments, b = segments, rest
	} else {
		size, head, ok := singleHead(b)
		if !ok || len(b)-head < size {
			return false
		}
		e.Ciphertext, b = b[head:head+size], b[head+size:]
	}
	if e.ByReference {
		return len(b) == 0
	}
	if len(b) == 0 {
		return false
	}
	e.Recipients = b
	return true
}

// singleHead reads the head of the ciphertext in the single form: its size, tag
// included, and the head's.
func singleHead(b []byte) (size, head int, ok bool) {
	size, head, ok = bytesHead(b)
	return size, head, ok && size >= tagSize && size <= MaxSingle+tagSize
}

// HeadError says why ParseHead, or CiphertextHead behind it, has refused a
// whole envelope.
func HeadError(b []byte) error {
	var e Envelope
	if err := Parse(b, &e); err != nil {
		return err
	}
	return fmt.Errorf("%w: head", ErrMalformed)
}

// ParseHead reads the part before the ciphertext and returns its size; in the
// chunked form that includes the byte that opens the segments. b should hold
// MaxHead bytes, or all there are. If ok is false, b is not the beginning of an
// envelope, and HeadError on the whole says why.
func ParseHead(b []byte, h *Header) (n int, ok bool) {
	if s := shapeFor(b); s != nil && s.readHeader(b, h) {
		return s.size, true
	}
	return parseHeadStrict(b, h)
}

// Segments are the encoded segments of a chunked ciphertext.
type Segments []byte

// Next returns the first segment, IV || ciphertext || tag, and those after it.
// It must not be called on empty Segments.
func (s Segments) Next() (segment []byte, rest Segments) {
	n, head, _ := bytesHead(s)
	return s[head : head+n], s[head+n:]
}

// SegmentSize is the size of a segment that seals n bytes, without its string
// head.
func SegmentSize(n int) int { return IVSize + n + tagSize }

// scanSegments takes the segments and the break from the front of b.
func scanSegments(b []byte, chunkSize int) (segments, rest []byte, ok bool) {
	full := SegmentSize(chunkSize)
	at, count, last := 0, 0, false
	for {
		if at >= len(b) {
			return nil, nil, false
		}
		if b[at] == cborBreak {
			return b[:at], b[at+1:], count >= 2
		}
		n, head, ok := bytesHead(b[at:])
		if !ok || last || n > full || n < SegmentSize(1) || len(b)-at-head < n {
			return nil, nil, false
		}
		last = n < full
		at += head + n
		count++
	}
}

// SegmentHead reads the head of the next segment of a stream: the segment's
// size and the head's, or end for the break. b should hold 5 bytes, or all
// there are.
func SegmentHead(b []byte, chunkSize int) (size, head int, end bool, err error) {
	if len(b) == 0 {
		return 0, 0, false, ErrTruncated
	}
	if b[0] == cborBreak {
		return 0, 1, true, nil
	}
	n, head, ok := bytesHead(b)
	if !ok {
		if b[0]&0xe0 == majorBytes && len(b) < 5 {
			return 0, 0, false, ErrTruncated
		}
		return 0, 0, false, fmt.Errorf("%w: segment", ErrMalformed)
	}
	if n > SegmentSize(chunkSize) || n < SegmentSize(1) {
		return 0, 0, false, fmt.Errorf("%w: segment of %d bytes", ErrMalformed, n)
	}
	return n, head, false, nil
}

// CiphertextHead reads the head of a single ciphertext in a stream: its size,
// tag included, and the head's. b should hold 5 bytes, or all there are.
func CiphertextHead(b []byte) (size, head int, err error) {
	n, head, ok := bytesHead(b)
	switch {
	case !ok && len(b) < 5:
		return 0, 0, ErrTruncated
	case !ok:
		return 0, 0, fmt.Errorf("%w: ciphertext", ErrMalformed)
	case n < tagSize:
		return 0, 0, fmt.Errorf("%w: ciphertext of %d bytes", ErrMalformed, n)
	case n > MaxSingle+tagSize:
		return 0, 0, fmt.Errorf("%w: single ciphertext of %d bytes", ErrTooLarge, n)
	}
	return n, head, nil
}

// SplitRecipients takes the encoded recipients from the front of b. They are
// not checked yet, beyond being one CBOR item.
func SplitRecipients(b []byte) (recipients, rest []byte, err error) {
	rest, err = scanItem(b, 1)
	return b[:len(b)-len(rest)], rest, err
}
