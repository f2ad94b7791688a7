package envelope

import (
	"fmt"
	"io"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
)

// maxSingle is more than any envelope in the single form takes, in bytes.
const maxSingle = cms.MaxHead + cms.MaxSingle + chunker.TagSize + cms.MaxRecipientSize

// open reads the head. Short forms are opened whole; for chunks it finds the
// key.
func (r *Reader) open() error {
	var err error
	if r.bound, err = convertBinding(&r.b); err != nil {
		return err
	}
	if err = r.measure(); err != nil {
		return err
	}
	h, n, err := r.in.readHead()
	if err != nil {
		return err
	}
	switch {
	case h.ByReference && !h.Chunked:
		return r.openWhole(maxSingle, errTrailing)
	case h.ByReference:
		key, err := r.o.keys.Lookup(r.ctx, h.KID)
		return r.begin(h, n, key, err)
	case h.Chunked:
		return r.openTailed(h, n)
	}
	return r.openFirst(n)
}

// measure notes where the input begins and ends, if it has such places.
func (r *Reader) measure() (err error) {
	seeker, ok := r.in.r.(io.Seeker)
	if !ok {
		return nil
	}
	base, notHere := seeker.Seek(0, io.SeekCurrent)
	if notHere != nil { // a pipe
		return nil //nolint:nilerr // it is then read as one
	}
	if r.last, err = seeker.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	r.base, err = seeker.Seek(base, io.SeekStart)
	return err
}

// openWhole opens the rest of the input as one envelope of up to limit bytes; a
// longer one is refused with tooLong.
func (r *Reader) openWhole(limit int, tooLong error) error {
	b, ok, err := r.in.readAll(limit)
	switch {
	case err != nil:
		return err
	case !ok:
		return refuse(tooLong)
	}
	r.ready, err = r.o.Open(r.ctx, nil, b, r.b)
	r.final = err == nil
	return err
}

// begin makes ready for the segments behind a head of n bytes. err is that of
// finding the key.
func (r *Reader) begin(h *cms.Header, n int, key *chunker.OpeningKey, err error) error {
	if err != nil {
		return refuse(err)
	}
	r.aad.SetHeader(h.ByReference, append([]byte(nil), h.Protected...)) // the input's buffer moves on
	r.key, r.size = key, h.ChunkSize
	r.in.skip(n)
	return nil
}

// openFirst reads a self-contained envelope in the single form: it is either
// all there is, or the key record of the envelope by reference that follows.
func (r *Reader) openFirst(n int) error {
	record, err := r.in.readRecord(n)
	switch {
	case err != nil:
		return err
	case record == nil:
		return r.openWhole(maxSingle, errTrailing)
	}
	return r.openRecorded(record)
}

// openRecorded reads the envelope by reference behind its key record.
func (r *Reader) openRecorded(record []byte) error {
	h, n, err := r.in.readHead()
	if err != nil {
		return err
	}
	if !h.ByReference || !h.Chunked {
		return refuse(errRecordAlone)
	}
	key, err := r.o.keys.FromRecord(r.ctx, record, h.KID)
	if err == nil {
		err = r.checkRecord(record, key)
	}
	return r.begin(h, n, key, err)
}

// checkRecord opens the key record itself. The commitment has shown that the
// key is right; this shows that not a bit of the record was changed.
func (r *Reader) checkRecord(record []byte, key *chunker.OpeningKey) error {
	var e cms.Envelope
	if err := cms.Parse(record, &e); err != nil {
		return err
	}
	r.aad.SetHeader(e.ByReference, e.Protected)
	_, err := key.Open(nil, e.IV, e.Ciphertext, r.aad.Bytes(&cms.Binding{Kind: cms.KeyRecord}, 0, true))
	return err
}

// openTailed reads a self-contained chunked envelope. Its recipients stand at
// its end.
func (r *Reader) openTailed(h *cms.Header, n int) error {
	at, ok := r.in.r.(io.ReaderAt)
	if !ok || r.last == 0 {
		return r.openWhole(MaxBuffered, errTail)
	}
	tail, err := readTail(at, r.base+int64(n), r.last, h.ChunkSize)
	if err != nil {
		return refuse(err)
	}
	key, err := r.o.keys.Unwrap(r.ctx, h.Commitment, tail)
	r.tail, r.at, r.tailAt = true, r.base+int64(n), r.last-int64(len(tail))-1
	return r.begin(h, n, key, err)
}

var errTail = fmt.Errorf("%w: the recipients stand at the end of more than %d bytes that cannot be read twice",
	cms.ErrTooLarge, MaxBuffered)

// readTail finds the recipients between segments, which begin at start, and
// end. All segments but the last are of one size, so it goes to where the last
// ones must be.
func readTail(r io.ReaderAt, start, end int64, chunkSize int) ([]byte, error) {
	stride := int64(segmentRoom(chunkSize))
	back := cms.MaxRecipientSize/stride + 3
	first := max(0, (end-start)/stride-back)
	b := make([]byte, end-start-first*stride)
	switch n, err := r.ReadAt(b, start+first*stride); {
	case n == len(b):
	case err == io.EOF: // it became shorter meanwhile
		return nil, cms.ErrTruncated
	default:
		return nil, err
	}
	for {
		size, head, end, err := cms.SegmentHead(b, chunkSize)
		switch {
		case err != nil:
			return nil, err
		case end:
			return b[1:], nil
		case len(b) < head+size:
			return nil, cms.ErrTruncated
		}
		b = b[head+size:]
	}
}
