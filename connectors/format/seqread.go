package format

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// seqDecoder reads a seq.
type seqDecoder struct {
	roll
	open    func(ctx context.Context, record []byte) (uint64, [32]byte, error) // nil if end records are not checked
	keep    func(record []byte, count uint64, digest [32]byte)                 // instead of open
	limits  limits
	started bool   // the magic has been read
	ended   bool   // the last record was an end record
	kept    []byte // the value of that end record, for keep
	unread  int    // records that could not be read, since the beginning
	damaged bool   // the record from Next has a wrong checksum and a good neighbour
	large   largeRecord
}

func newSeqDecoder(a Archive, l limits) *seqDecoder {
	d := &seqDecoder{roll: newRoll(a.Tag), open: a.OpenEnd, limits: l}
	if d.open == nil {
		d.keep = a.KeepEnd
	}
	return d
}

func (d *seqDecoder) Next(b []byte, eof bool) (int, error) {
	switch {
	case !d.started:
		return nextMagic(b, eof)
	case d.large.left > 0:
		return d.large.nextPiece(b, eof)
	case len(b) == 0 && eof:
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
			return d.large.beginRecord(b, length), nil
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
// checksum. A record at the very end with a wrong one is torn. One in the
// middle is damaged: if a good record begins where it should end, its length is
// right and it can be set aside; otherwise nobody knows where the next one
// begins.
func (d *seqDecoder) checkFrame(b []byte, n int, eof bool) (int, error) {
	d.damaged = false
	switch {
	case hasChecksum(b[:n]):
		return n, nil
	case len(b) > n:
		rest := b[n:]
		whole := frameSize
		if len(rest) >= frameSize {
			whole += int(min(binary.BigEndian.Uint32(rest), uint32(d.limits.record)))
		}
		switch {
		case len(rest) < whole && !eof:
			return 0, nil
		case len(rest) >= whole && whole > frameSize && hasChecksum(rest[:whole]):
			d.damaged = true
			return n, nil
		}
		return 0, errChecksum
	case eof:
		return 0, fmt.Errorf("%w: wrong checksum of the last record", ErrTruncated)
	default:
		return 0, nil
	}
}

// hasChecksum tells whether a frame has the checksum of its content.
func hasChecksum(frame []byte) bool {
	return crc32.Checksum(frame[frameSize:], castagnoli) == binary.BigEndian.Uint32(frame[4:])
}

// InPieces implements Decoder.
func (d *seqDecoder) InPieces() bool { return d.large.left > 0 }

func (d *seqDecoder) decodeInto(ctx context.Context, record []byte, b *Batch) (bool, error) {
	if !d.started {
		d.started = true
		return false, nil
	}
	switch {
	case d.large.left > 0:
		whole, err := d.large.takePiece(record)
		if whole && err == nil {
			err = d.setAside(ErrTooLarge, fmt.Errorf("a record of more than %d bytes", d.limits.record))
		}
		return false, err
	case d.damaged:
		return false, d.setAside(ErrMalformed, errors.New("wrong checksum"))
	}
	m := b.addMessage()
	kind := record[frameSize]
	p := bodyParser{b: record[frameSize+1:]}
	err := p.parseMessage(m, b, d.limits.headers)
	switch {
	case err == nil && kind == typeMessage:
		d.ended = false
		if d.addMessage(m) != nil {
			d.addUntagged() // the Transform will refuse the message with a reason
		}
		return true, nil
	case err == nil && kind == typeEnd:
		err = d.checkEnd(ctx, m)
		b.dropMessage()
		return false, err
	case err == nil:
		err = errRecord
	}
	b.dropMessage()
	return false, d.setAside(reasonOf(err), err)
}

// setAside counts a record that can never be read as a message, and returns its
// error. The end record will not fit the messages.
func (d *seqDecoder) setAside(reason, detail error) error {
	d.ended = false
	d.addUntagged()
	d.unread++
	return rejectRecord(reason, detail)
}

// checkEnd checks an end record against the messages before it.
func (d *seqDecoder) checkEnd(ctx context.Context, m *pipeline.Message) error {
	if m.Key != nil || m.Subject != nil || m.Headers != nil || m.Time.UnixMilli() != 0 || m.Value == nil {
		return fmt.Errorf("%w: end record: %w", ErrMalformed, errRecord)
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
	case d.unread > 0:
		return fmt.Errorf("%w: the end record cannot be checked: %d records before it could not be read",
			ErrMalformed, d.unread)
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
