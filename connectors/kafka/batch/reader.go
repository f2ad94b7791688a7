package batch

import "io"

// Limits bounds the inflated size of compressed batches. A zero field is its
// default.
type Limits struct {
	// Batch is the most bytes that one batch may inflate to, all in all. They
	// are never in memory together. 256 MiB by default.
	Batch int
	// Piece is the most bytes that a record may take, since a record is in
	// memory as a whole. 32 MiB by default. Codecs.Limit bounds the memory of
	// the codec.
	Piece int
}

func (l Limits) withDefaults() Limits {
	if l.Batch <= 0 {
		l.Batch = 256 << 20
	}
	if l.Piece <= 0 {
		l.Piece = 32 << 20
	}
	return l
}

// Reader walks the record batches of a fetch's answer for one partition. Use
// is Reset, then Next for every batch, and Read until it has no more of the
// batch; Next also leaves a batch that is not wanted:
//
//	r.Reset("orders/3", set, from)
//	for {
//		info, err := r.Next()
//		if err == io.EOF {
//			break // r.Offset is where the next fetch begins
//		}
//		...
//		more, err := r.Read(&records, limit)
//		...
//	}
//
// A Reader may be used again and again; the zero value is ready. It is used by
// one goroutine at a time. After an error it stays where it is: it answers the
// same error until Reset or Skip.
type Reader struct {
	Limits Limits
	// Codecs inflates compressed batches. Nil: the Reader makes one of its own
	// when it needs it. It is taken from the first Read of a batch to the last
	// one, Next, Skip, Reset or Close.
	Codecs *Codecs

	place string
	set   []byte // batches that Next has not seen
	end   int64  // last offset of the batches that Next has seen
	next  int64
	info  Info
	body  []byte // records that Read has not seen, as stored
	left  int    // records that Read has not seen
	last  int64  // offset of the last record seen
	cut   int    // size of the batch that the end of the set cut short
	in    inflater
	err   error
}

// Reset begins a set of batches. Place names the partition in errors and in the
// origins of messages. Records below from are left out: a fetch answers whole
// batches. Set is used until the next Reset or Close, and messages alias it.
func (r *Reader) Reset(place string, set []byte, from int64) {
	r.in.endBatch()
	r.place, r.set, r.end, r.next = place, set, -1, from
	r.body, r.left, r.cut, r.err = nil, 0, 0, nil
}

// Close lets go of the set and of the codec of a batch that was not read to its
// end.
func (r *Reader) Close() { r.Reset("", nil, 0) }

// Offset is where the next read of the partition begins: behind the last record
// that was read or left out.
func (r *Reader) Offset() int64 { return r.next }

// Cut is the size in bytes of the batch that the end of the set cut short, for
// a larger fetch. It is known once Next has returned io.EOF, and 0 if none was
// cut or too little of it is there.
func (r *Reader) Cut() int { return r.cut }

// Next goes to the next batch, leaving out the records of the one before that
// Read has not read. It returns io.EOF when no whole batch follows: the broker
// cuts the last one where its answer is full. Batches that end before the
// offset given to Reset are not shown. The Info is valid until the next call.
// Control batches are shown, and Read finds no records in them.
func (r *Reader) Next() (*Info, error) {
	if r.err != nil {
		return nil, r.err
	}
	r.leaveBatch()
	for {
		body, err := r.info.parseBatch(r.set)
		switch {
		case err != nil:
			return nil, r.noteError(err)
		case body == nil:
			if len(r.set) > atMagic {
				r.cut = r.info.Size
			}
			return nil, io.EOF
		}
		if r.info.BaseOffset <= r.end {
			return nil, r.noteError(malformed("offset behind %d", r.end))
		}
		r.set, r.end = r.set[r.info.Size:], r.info.LastOffset
		if r.info.LastOffset < r.next {
			continue
		}
		r.body, r.left, r.last = body, r.info.Count, r.info.BaseOffset-1
		if r.info.Marker != Data {
			r.left = 0
		}
		return &r.info, nil
	}
}

// Read appends records of the current batch to into, as messages, until there
// are none left or the next one would take into beyond limit bytes, by
// Records.Size. More says that records are left: they are for another Records.
// An empty into takes one record of any size.
func (r *Reader) Read(into *Records, limit int) (more bool, err error) {
	if r.err != nil {
		return false, r.err
	}
	if r.body != nil && r.info.Marker == Data {
		if r.info.Compression == None {
			err = r.readPlain(into, limit)
		} else {
			err = r.readInflated(into, limit)
		}
		if err != nil {
			return false, r.noteError(err)
		}
	}
	if r.left == 0 {
		r.leaveBatch()
		return false, nil
	}
	return true, nil
}

// leaveBatch ends the current batch, read or not.
func (r *Reader) leaveBatch() {
	if r.body == nil {
		return
	}
	r.in.endBatch()
	r.next = max(r.next, r.info.LastOffset+1)
	r.body, r.left = nil, 0
}

func (r *Reader) noteError(err error) error {
	r.in.endBatch()
	r.err = &Error{Place: r.place, Offset: r.info.BaseOffset, Err: err}
	return r.err
}

// Skip steps over the rest of the batch that the last error is about, and
// returns the offsets that this leaves out. It is false, and changes nothing,
// if it is not certain where that batch ends: the header says it, if the
// checksum covers it, and else the batch that follows.
func (r *Reader) Skip() (first, last int64, ok bool) {
	last = r.info.LastOffset
	if r.err == nil || r.info.Size == 0 {
		return 0, 0, false
	}
	behind := r.set // Next has moved it on, unless the error is its own
	if r.body == nil {
		behind = r.set[r.info.Size:]
	}
	if last < 0 {
		var next Info
		if body, err := next.parseBatch(behind); err != nil || body == nil || next.BaseOffset <= r.info.BaseOffset {
			return 0, 0, false
		}
		last = next.BaseOffset - 1
	}
	first = max(r.next, r.info.BaseOffset)
	if last < first {
		return 0, 0, false
	}
	r.in.endBatch()
	r.set, r.end, r.next = behind, max(r.end, last), last+1
	r.body, r.left, r.err = nil, 0, nil
	return first, last, true
}

func (r *Reader) readPlain(into *Records, limit int) error {
	for r.left > 0 {
		record, rest, err := cutRecord(r.body)
		if err != nil {
			return err
		}
		if rest == nil {
			return malformed("%d records are missing", r.left)
		}
		done, err := r.addRecord(into, record, limit)
		if err != nil || !done {
			return err
		}
		r.body = rest
	}
	if len(r.body) > 0 {
		return malformed("%d bytes behind the last record", len(r.body))
	}
	return nil
}
