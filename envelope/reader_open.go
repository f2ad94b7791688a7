package envelope

import (
	"bytes"
	"fmt"
	"io"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// maxSingle is more than any envelope in the single form takes, in bytes.
const maxSingle = cms.MaxHead + cms.MaxSingle + chunker.TagSize + cms.MaxRecipientSize

// open reads the head. Short forms are opened whole; for chunks it finds the
// key.
func (r *Reader) open() error {
	if err := r.measure(); err != nil {
		return err
	}
	h, n, err := r.in.readHead()
	if err != nil {
		return err
	}
	switch {
	case h.ByReference && !h.Chunked:
		return r.openWhole(maxSingle, errTrailing)
	case h.Chunked && !h.ByReference:
		return r.openTailed(h, n)
	case !h.Chunked:
		return r.openFirst(n)
	}
	if err := h.CheckKind(r.b.Kind); err != nil {
		return refuse(err)
	}
	key, err := r.o.keys.Lookup(r.ctx, r.worker.Place, h.KID, h.Position.Created)
	return r.beginChunks(h, n, key, err)
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
	r.ready, r.coding, err = r.worker.openCoded(r.ctx, b, &r.b)
	r.final = err == nil
	return refuse(err)
}

// beginChunks makes ready for the segments behind a head of n bytes. err is
// that of finding the key.
func (r *Reader) beginChunks(h *cms.Header, n int, key *kekcache.OpenedKey, err error) error {
	if err != nil {
		return refuse(err)
	}
	w, c := r.worker, &r.chunks
	if c.dictionaries, err = w.findDictionaries(r.ctx, h); err != nil {
		return refuse(err)
	}
	bound, extra, err := w.binder.bindOpening(&r.b, &h.Position)
	switch {
	case err != nil:
		return refuse(err)
	case extra > 0 && !r.o.o.ExtraHeaders:
		return refuse(errExtraHeaders)
	}
	w.aad.SetHeader(h.ByReference, bytes.Clone(h.Protected)) // the input's buffer moves on
	c.key, c.bound, c.header = key, bound, *h
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
	return r.openBehindRecord(record)
}

// openBehindRecord reads the envelope by reference behind its key record.
func (r *Reader) openBehindRecord(record []byte) error {
	h, n, err := r.in.readHead()
	if err != nil {
		return err
	}
	if !h.ByReference || !h.Chunked {
		return refuse(errRecordAlone)
	}
	if err := h.CheckKind(r.b.Kind); err != nil {
		return refuse(err)
	}
	key, err := r.openKeyRecord(record, h)
	return r.beginChunks(h, n, key, err)
}

// openKeyRecord opens the key record before an envelope, and not only the key
// in it: so not a bit of it can have been changed.
func (r *Reader) openKeyRecord(record []byte, h *cms.Header) (*kekcache.OpenedKey, error) {
	var e cms.Envelope
	switch err := cms.Parse(record, &e); {
	case err != nil:
		return nil, err
	case !bytes.HasPrefix(e.Commitment, h.KID):
		return nil, kekcache.ErrWrongKey
	}
	if _, err := cms.ParseRecipients(e.Recipients, nil); err != nil {
		return nil, err
	}
	if err := e.CheckKind(KeyRecord); err != nil {
		return nil, err
	}
	key, err := r.o.keys.FromRecord(r.ctx, r.worker.Place, record, h.KID, h.Position.Created)
	if err != nil {
		return nil, err
	}
	aad := r.worker.records
	aad.SetHeader(e.ByReference, e.Protected)
	payload, err := key.Open(nil, e.IV, e.Ciphertext, aad.Bytes(&cms.Binding{Kind: KeyRecord}, 0, true))
	switch {
	case err != nil:
		return nil, err
	case len(payload) > 0:
		clear(payload)
		return nil, errPayload
	}
	return key, nil
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
	if _, err := cms.ParseRecipients(tail, nil); err != nil {
		return refuse(err)
	}
	if err := h.CheckKind(r.b.Kind); err != nil {
		return refuse(err)
	}
	sealed := sealedOf(h, tail)
	key, err := r.o.keys.Unwrap(r.ctx, r.worker.Place, &sealed)
	r.tail, r.at, r.tailAt = true, r.base+int64(n), r.last-int64(len(tail))-1
	return r.beginChunks(h, n, key, err)
}

var errTail = fmt.Errorf("%w: the recipients stand at the end of more than %d bytes that cannot be read twice",
	cms.ErrTooLarge, MaxBuffered)

// readTail finds the recipients between segments, which begin at start, and
// end. All segments but the last are of one size, so it goes to where the last
// ones must be.
func readTail(r io.ReaderAt, start, end int64, chunkSize int) ([]byte, error) {
	if end < start { // it has grown since it was measured
		return nil, cms.ErrTruncated
	}
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
