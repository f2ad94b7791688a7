package format

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"slices"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// The bytes of a seq are
//
//	"SCXSEQ1\n"  then records of  length 4 || CRC-32C 4 || type 1 || body
//
// with big-endian numbers; length and CRC cover type and body. A record of type
// 0 is a message, one of type 1 an end record. The body of an end record has a
// null key and subject, no headers and the time 0; its value comes from
// Archive.SealEnd and covers all messages before it. A complete seq ends with
// an end record. Appending leaves earlier end records in place.

const (
	seqMagic = "SCXSEQ1\n"

	frameSize = 8

	typeMessage = 0
	typeEnd     = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// roll is the content of an end record: the number of messages, and the SHA-256
// over their tags.
type roll struct {
	count     uint64
	hash      hash.Hash
	tag       []byte
	appendTag func(dst []byte, m *pipeline.Message) ([]byte, error)
}

func newRoll(tag func([]byte, *pipeline.Message) ([]byte, error)) roll {
	return roll{hash: sha256.New(), appendTag: tag}
}

func (r *roll) addMessage(m *pipeline.Message) (err error) {
	if r.tag, err = r.appendTag(r.tag[:0], m); err != nil {
		return err
	}
	r.count++
	r.hash.Write(r.tag)
	return nil
}

// addUntagged counts a message whose tag could not be found. The digest then
// differs from the sealed one, as with a wrong tag.
func (r *roll) addUntagged() { r.count++ }

func (r *roll) digest() (d [sha256.Size]byte) {
	r.hash.Sum(d[:0])
	return d
}

func (r *roll) AppendState(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(slices.Grow(dst, 128), r.count)
	dst, err := r.hash.(encoding.BinaryAppender).AppendBinary(dst)
	if err != nil {
		panic("format: internal error: " + err.Error()) // crypto/sha256 has no such error
	}
	return dst
}

func (r *roll) Restore(state []byte) error {
	if len(state) < 8 {
		return fmt.Errorf("%w: state of a seq", ErrMalformed)
	}
	if err := r.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(state[8:]); err != nil {
		return fmt.Errorf("%w: state of a seq", ErrMalformed)
	}
	r.count = binary.BigEndian.Uint64(state)
	return nil
}

// seqEncoder writes a seq.
type seqEncoder struct {
	roll
	seal   func(ctx context.Context, dst []byte, count uint64, digest [32]byte) ([]byte, error)
	limits limits
	value  []byte
}

func newSeqEncoder(a Archive, l limits) *seqEncoder {
	return &seqEncoder{roll: newRoll(a.Tag), seal: a.SealEnd, limits: l}
}

func (*seqEncoder) Begin(dst []byte) []byte { return append(dst, seqMagic...) }

func (e *seqEncoder) Append(dst []byte, m *pipeline.Message) ([]byte, error) {
	if err := e.limits.checkRecord(m, len(m.Value)); err != nil {
		return dst, err
	}
	out, err := appendFrame(dst, typeMessage, m, e.limits.record)
	if err != nil {
		return dst, err
	}
	if err := e.addMessage(m); err != nil {
		return dst, err
	}
	return out, nil
}

func (e *seqEncoder) End(ctx context.Context, dst []byte) ([]byte, error) {
	value, err := e.seal(ctx, e.value[:0], e.count, e.digest())
	if err != nil {
		return dst, fmt.Errorf("end record: %w", err)
	}
	e.value = value
	return appendFrame(dst, typeEnd, endMessage(value), e.limits.record)
}

func appendFrame(dst []byte, kind byte, m *pipeline.Message, most int) ([]byte, error) {
	start := len(dst)
	dst = append(dst, make([]byte, frameSize)...)
	dst = appendBody(append(dst, kind), m)
	content := dst[start+frameSize:]
	if len(content) > most {
		return dst[:start], fmt.Errorf("%w: a record of more than %d bytes", ErrTooLarge, most)
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(len(content)))
	binary.BigEndian.PutUint32(dst[start+4:], crc32.Checksum(content, castagnoli))
	return dst, nil
}

// seqDecoder reads a seq.
type seqDecoder struct {
	roll
	open    func(ctx context.Context, record []byte) (uint64, [32]byte, error) // nil if end records are not checked
	keep    func(record []byte, count uint64, digest [32]byte)                 // instead of open
	limits  limits
	started bool   // the magic has been read
	ended   bool   // the last record was an end record
	kept    []byte // the value of that end record, for keep
}

func newSeqDecoder(a Archive, l limits) *seqDecoder {
	d := &seqDecoder{roll: newRoll(a.Tag), open: a.OpenEnd, limits: l}
	if d.open == nil {
		d.keep = a.KeepEnd
	}
	return d
}

func (d *seqDecoder) Next(b []byte, eof bool) (int, error) {
	if !d.started {
		return nextMagic(b, eof)
	}
	if len(b) == 0 && eof {
		return 0, nil
	}
	n := frameSize
	if len(b) >= frameSize {
		length, most := int64(binary.BigEndian.Uint32(b)), int64(d.limits.record)
		more := len(b) > frameSize // without more, an impossible length is that of a torn record
		switch {
		case length == 0 && more:
			return 0, errEmpty
		case length > most && more:
			return 0, fmt.Errorf("%w: a record of more than %d bytes", ErrTooLarge, most)
		case length <= most:
			n += int(length)
		}
	}
	switch {
	case n > frameSize && len(b) >= n:
		return d.checkFrame(b, n, eof)
	case eof:
		return 0, fmt.Errorf("%w: the last record is not whole", ErrTruncated)
	default:
		return 0, nil
	}
}

func nextMagic(b []byte, eof bool) (int, error) {
	n := min(len(b), len(seqMagic))
	switch {
	case string(b[:n]) != seqMagic[:n]:
		return 0, fmt.Errorf("%w: not a seq file", ErrMalformed)
	case n == len(seqMagic):
		return n, nil
	case eof:
		return 0, fmt.Errorf("%w: shorter than its first line", ErrTruncated)
	default:
		return 0, nil
	}
}

// The traces of a write that reached the disk in part, with more bytes behind.
var (
	errEmpty    = fmt.Errorf("%w: an empty record", ErrMalformed)
	errChecksum = fmt.Errorf("%w: wrong checksum", ErrMalformed)
)

// checkFrame returns n if the first n bytes of b are a record with the right
// checksum. A record at the very end with a wrong one is torn.
func (d *seqDecoder) checkFrame(b []byte, n int, eof bool) (int, error) {
	want := binary.BigEndian.Uint32(b[4:])
	switch {
	case crc32.Checksum(b[frameSize:n], castagnoli) == want:
		return n, nil
	case len(b) > n:
		return 0, errChecksum
	case eof:
		return 0, fmt.Errorf("%w: wrong checksum of the last record", ErrTruncated)
	default:
		return 0, nil
	}
}

func (d *seqDecoder) decodeInto(ctx context.Context, record []byte, b *Batch) (bool, error) {
	if !d.started {
		d.started = true
		return false, nil
	}
	m := b.addMessage()
	kind := record[frameSize]
	p := bodyParser{b: record[frameSize+1:]}
	err := p.parseMessage(m, b, d.limits.headers)
	switch {
	case err != nil:
	case kind == typeMessage:
		d.ended = false
		if d.addMessage(m) != nil {
			d.addUntagged() // the Transform will refuse the message with a reason
		}
		return true, nil
	case kind == typeEnd:
		err = d.checkEnd(ctx, m)
	default:
		err = errRecord
	}
	b.dropMessage()
	if errors.Is(err, errRecord) {
		err = fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return false, err
}

// checkEnd checks an end record against the messages before it.
func (d *seqDecoder) checkEnd(ctx context.Context, m *pipeline.Message) error {
	if m.Key != nil || m.Subject != nil || m.Headers != nil || m.Time.UnixMilli() != 0 || m.Value == nil {
		return errRecord
	}
	d.ended = true
	if d.open == nil {
		d.keepEnd(m.Value)
		return nil
	}
	count, digest, err := d.open(ctx, m.Value)
	switch {
	case err != nil:
		return fmt.Errorf("end record: %w", err)
	case count != d.count:
		return fmt.Errorf("%w: %d messages, sealed were %d", ErrTampered, d.count, count)
	case digest != d.digest():
		return fmt.Errorf("%w: not the messages that were sealed", ErrTampered)
	default:
		return nil
	}
}

func (d *seqDecoder) Finish() error {
	if !d.ended {
		return fmt.Errorf("%w: no end record", ErrTruncated)
	}
	return nil
}

func (*seqDecoder) Locate(place string, index int64) string {
	return fmt.Sprintf("%s@%d", place, index)
}

// endMessage returns an end record as a message that holds nothing but the
// sealed value.
func endMessage(value []byte) *pipeline.Message {
	return &pipeline.Message{Time: time.UnixMilli(0), Value: value}
}
