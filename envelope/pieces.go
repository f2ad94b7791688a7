package envelope

import (
	"fmt"

	"github.com/streamcrypt/streamcrypt/codec/cms"
)

// The functions of this file take raw files apart (docs/envelope.md, section
// 9), for Reader and Rewrapper. They see no key.

// errRecordAlone says that a key record stands in front of something else than
// its envelope.
var errRecordAlone = fmt.Errorf("%w: a key record belongs to a chunked envelope by reference", cms.ErrMalformed)

// readHead reads the head of an envelope and says how long it is.
func (in *input) readHead() (*cms.Header, int, error) {
	b, err := in.peek(cms.MaxHead)
	if err != nil {
		return nil, 0, err
	}
	var h cms.Header
	n, ok := cms.ParseHead(b, &h)
	if !ok {
		return nil, 0, in.refuseHead()
	}
	if h.Chunked {
		return &h, n, nil
	}
	if b, err = in.peek(n + 5); err != nil {
		return nil, 0, err
	}
	if _, ok = cms.ParseHead(b, &h); !ok {
		return nil, 0, in.refuseHead()
	}
	if _, _, err := cms.CiphertextHead(b[n:]); err != nil {
		return nil, 0, in.refuseHead()
	}
	return &h, n, nil
}

// refuseHead returns the reason why a head was refused.
func (in *input) refuseHead() error {
	b, ok, err := in.readAll(maxSingle)
	if err != nil {
		return err
	}
	if ok {
		return refuse(cms.HeadError(b))
	}
	return refuse(fmt.Errorf("%w: head", cms.ErrMalformed))
}

// readRecord looks at a self-contained envelope in the single form, with a head
// of n bytes. If an envelope by reference follows, it is a key record:
// readRecord returns a copy of it and skips it. If nothing follows, it returns
// nil and skips nothing.
func (in *input) readRecord(n int) ([]byte, error) {
	b, err := in.peek(n + 5)
	if err != nil {
		return nil, err
	}
	size, headSize, _ := cms.CiphertextHead(b[n:])
	at := n + headSize + size
	if b, err = in.peek(at + cms.MaxRecipientSize + 1); err != nil {
		return nil, err
	}
	if len(b) < at {
		return nil, refuse(cms.ErrTruncated)
	}
	recipients, rest, err := cms.SplitRecipients(b[at:])
	switch {
	case err != nil && len(b) > at+cms.MaxRecipientSize:
		return nil, refuse(fmt.Errorf("%w: recipients", cms.ErrTooLarge))
	case err != nil:
		return nil, refuse(err)
	case len(rest) == 0:
		return nil, nil
	case rest[0] != 0xd0:
		return nil, refuse(errTrailing)
	}
	record := append([]byte(nil), b[:at+len(recipients)]...)
	in.skip(len(record))
	return record, nil
}

// piece is a segment at the front of an input, not skipped yet.
type piece struct {
	b     []byte // with its head; valid until the next peek
	head  int    // size of the head
	final bool   // the break follows
	tail  bool   // and something behind that
}

// behindSegment is how many bytes behind a segment tell whether it is the final
// one: the break, and one that may not follow it.
const behindSegment = 2

// readSegment looks at a segment, and at the bytes behind it. chunkSize is that
// of the envelope, index the segment's.
func (in *input) readSegment(chunkSize int, index uint32) (p piece, err error) {
	head, err := in.peek(5)
	if err != nil {
		return p, err
	}
	size, headSize, end, err := cms.SegmentHead(head, chunkSize)
	if err != nil || end {
		return parseSegment(head, chunkSize, index)
	}
	b, err := in.peek(headSize + size + behindSegment)
	if err != nil {
		return p, err
	}
	return parseSegment(b, chunkSize, index)
}

// parseSegment takes the segment that b begins with. b goes on for
// behindSegment bytes or to the end of the input.
func parseSegment(b []byte, chunkSize int, index uint32) (p piece, err error) {
	size, headSize, end, err := cms.SegmentHead(b, chunkSize)
	switch {
	case err != nil:
		return p, refuse(err)
	case end: // after a segment that was not sealed as the final one, or after none: fewer than two
		return p, refuse(fmt.Errorf("%w: segments", cms.ErrMalformed))
	case len(b) <= headSize+size:
		return p, refuse(cms.ErrTruncated)
	}
	next := b[headSize+size:]
	p = piece{b: b[:headSize+size], head: headSize, final: next[0] == cms.Break, tail: len(next) > 1}
	switch full := size == cms.SegmentSize(chunkSize); {
	case !p.final && !full:
		return p, refuse(fmt.Errorf("%w: segment %d is not full", cms.ErrMalformed, index))
	case p.final && index == 0:
		return p, refuse(fmt.Errorf("%w: one segment", cms.ErrMalformed))
	}
	return p, nil
}
