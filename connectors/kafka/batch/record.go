package batch

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// minRecord is the shortest record behind its length: attributes, time, offset,
// key, value and headers of one byte each.
const minRecord = 6

// cutRecord splits the first record from b, without its length. A nil rest says
// that b ends before the record does.
func cutRecord(b []byte) (record, rest []byte, err error) {
	length, n, err := recordLength(b)
	if err != nil || n == 0 || len(b)-n < length {
		return nil, nil, err
	}
	end := n + length
	return b[n:end:end], b[end:], nil
}

// recordLength reads the length in front of a record and says how long it was
// itself: 0 if b ends before it.
func recordLength(b []byte) (length, n int, err error) {
	v, n := parseVarint(b)
	switch {
	case n == 0 && len(b) < maxVarint32:
		return 0, 0, nil
	case n <= 0 || n > maxVarint32 || v < minRecord || v > math.MaxInt32:
		return 0, 0, malformed("record length")
	}
	return int(v), n, nil
}

// addRecord appends one record to into, or leaves it out if it lies before the
// offset that is asked for. It says no if the record would take into beyond
// limit.
func (r *Reader) addRecord(into *Records, record []byte, limit int) (done bool, err error) {
	f := fields{b: record}
	f.skipBytes(1) // attributes: none are defined
	at := r.info.BaseTime + f.readVarint()
	offset := r.info.BaseOffset + f.readVarint32()
	key, value := f.readBytes(), f.readBytes()
	headers := f.readCount()
	switch {
	case f.bad:
		return false, malformed("record behind offset %d", r.last)
	case offset <= r.last || offset > r.info.LastOffset:
		return false, malformed("record offset %d behind %d of %d", offset, r.last, r.info.LastOffset)
	}
	if offset < r.next {
		r.last, r.left = offset, r.left-1
		return true, nil
	}
	size := len(record) + messageSize + headers*headerSize
	if len(into.Messages) > 0 && into.size+size > limit {
		return false, nil
	}
	list := f.readHeaders(into, headers)
	if f.bad || f.left() > 0 {
		return false, malformed("headers of the record at offset %d", offset)
	}
	if r.info.AppendTime {
		at = r.info.MaxTime
	}
	into.Messages = append(into.Messages, pipeline.Message{
		Key: key, Value: value, Headers: list, Time: timeOf(at),
		Origin: pipeline.Origin{Place: r.place, Offset: offset, Previous: -1, Term: termOf(r.info.LeaderEpoch)},
	})
	into.size += size
	r.last, r.next, r.left = offset, offset+1, r.left-1
	return true, nil
}

// termOf returns the term of the messages of a batch. A batch from before there
// were leader epochs has the epoch -1.
func termOf(leaderEpoch int32) uint64 {
	if leaderEpoch < 0 {
		return pipeline.UnknownTerm
	}
	return uint64(leaderEpoch)
}

func timeOf(millis int64) time.Time {
	if millis == noTime {
		return time.Time{}
	}
	return time.UnixMilli(millis).UTC()
}

// fields reads the fields of a record one after the other. Once something was
// bad, everything is zero.
type fields struct {
	b   []byte
	at  int // in b, of the next field
	bad bool
}

func (f *fields) markBad() {
	f.at, f.bad = len(f.b), true
}

// left is how many bytes have not been read.
func (f *fields) left() int { return len(f.b) - f.at }

func (f *fields) skipBytes(n int) {
	if f.left() < n {
		f.markBad()
		return
	}
	f.at += n
}

// readVarint reads a varint of at most 64 bits. Most take one byte.
func (f *fields) readVarint() int64 {
	if f.at < len(f.b) && f.b[f.at] < 0x80 {
		v := f.b[f.at]
		f.at++
		return unzigzag(uint64(v))
	}
	return f.readLongVarint(maxVarint64)
}

// readVarint32 reads a varint of at most 32 bits.
func (f *fields) readVarint32() int64 {
	if f.at < len(f.b) && f.b[f.at] < 0x80 {
		v := f.b[f.at]
		f.at++
		return unzigzag(uint64(v))
	}
	v := f.readLongVarint(maxVarint32)
	if v < math.MinInt32 || v > math.MaxInt32 {
		f.markBad()
		return 0
	}
	return v
}

// readLongVarint reads a varint that takes at most so many bytes.
func (f *fields) readLongVarint(most int) int64 {
	v, n := parseVarint(f.b[f.at:])
	if n <= 0 || n > most {
		f.markBad()
		return 0
	}
	f.at += n
	return v
}

// readBytes reads a length and as many bytes. They are nil for the length -1.
func (f *fields) readBytes() []byte {
	n := f.readVarint32()
	if n == -1 {
		return nil
	}
	if n < 0 || n > int64(f.left()) {
		f.markBad()
		return nil
	}
	end := f.at + int(n)
	v := f.b[f.at:end:end]
	f.at = end
	return v
}

// readCount reads the number of headers, each of which takes two bytes at
// least.
func (f *fields) readCount() int {
	n := f.readVarint32()
	if n < 0 || n > int64(f.left()/2) {
		f.markBad()
		return 0
	}
	return int(n)
}

// readHeaders reads n of them into the array that they share.
func (f *fields) readHeaders(into *Records, n int) []pipeline.Header {
	if n == 0 {
		return nil
	}
	from := len(into.headers)
	for range n {
		name := f.readBytes()
		if name == nil {
			f.markBad()
		}
		value := f.readBytes()
		if f.bad {
			into.headers = into.headers[:from]
			return nil
		}
		into.headers = append(into.headers, pipeline.Header{Name: into.internName(name), Value: value})
	}
	return into.headers[from:len(into.headers):len(into.headers)]
}

// parseMarker reads which transaction marker the only record of a control batch
// is.
func (h *Info) parseMarker(records []byte) error {
	h.Marker = Other
	if h.Compression != None {
		return malformed("compressed control batch")
	}
	if h.Count == 0 {
		return nil
	}
	record, _, err := cutRecord(records)
	if err != nil {
		return err
	}
	f := fields{b: record}
	f.skipBytes(1)
	f.readVarint()
	f.readVarint32()
	key := f.readBytes() // version 2, type 2
	if f.bad || len(key) < 4 {
		return malformed("control record")
	}
	switch binary.BigEndian.Uint16(key[2:]) {
	case 0:
		h.Marker = Abort
	case 1:
		h.Marker = Commit
	}
	return nil
}
