package format

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// seqDecoder reads a seq.
type seqDecoder struct {
	digester
	archive Archive
	limits  limits
	started bool   // the magic has been read
	others  uint64 // records that are no messages
	needed  bool   // some of them must be known to read on
	unread  uint32 // records that could not be read, since the beginning
	damaged bool   // the record from Next has a wrong checksum and a good neighbour
	large   largeRecord
}

func newSeqDecoder(a Archive, l limits) *seqDecoder {
	d := &seqDecoder{archive: a, limits: l}
	d.chain, d.front = archive.NewChain(a.Receipt), a.Front
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
		// A length over the limit is that of a torn record too, unless as many
		// bytes as the limit follow.
		switch {
		case length == 0 && more:
			return 0, errEmpty
		case length > most && int64(len(b)) > frameSize+most:
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
	errNoEnd    = fmt.Errorf("%w: no end behind the last record", ErrTruncated)
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
	switch {
	case !d.started:
		d.started = true
		return false, nil
	case d.large.left > 0:
		whole, err := d.large.takePiece(record)
		if whole && err == nil {
			err = d.setAside(ErrTooLarge, fmt.Errorf("a record of more than %d bytes", d.limits.record))
		}
		return false, err
	case d.damaged:
		return false, d.setAside(ErrMalformed, errors.New("wrong checksum"))
	}
	kind, body := record[frameSize], record[frameSize+1:]
	if kind > archive.TypeEnd {
		return false, d.readRecord(ctx, kind, body)
	}
	m := b.addMessage()
	p := bodyParser{b: body}
	err := p.parseMessage(m, b, d.limits.headers)
	switch {
	case err != nil:
		b.dropMessage()
		return false, d.setAside(reasonOf(err), err)
	case kind == archive.TypeMessage:
		d.addMessage(m)
		return true, nil
	}
	err = d.readEnd(ctx, m)
	b.dropMessage()
	if errors.Is(err, errRecord) {
		err = fmt.Errorf("%w: end of the archive: %w", ErrMalformed, err)
	}
	return false, err
}

// setAside counts a record that can never be read as a message, and returns its
// error. No end fits the archive from there on.
func (d *seqDecoder) setAside(reason, detail error) error {
	d.chain.BeginRecord(archive.TypeMessage, 0)
	d.unread++
	return rejectRecord(reason, detail)
}

// readRecord reads a record that has not the form of a message.
func (d *seqDecoder) readRecord(ctx context.Context, kind byte, body []byte) error {
	if kind > archive.TypeDictionaryRecord && kind < archive.FirstPassedOver {
		return d.setAside(ErrMalformed, fmt.Errorf("a record of type %d", kind))
	}
	d.needed = true
	if err := d.keepRecord(ctx, kind, body); err != nil {
		return err
	}
	d.addRecord(kind, body)
	return nil
}

// keepRecord tells of a record that is no message.
func (d *seqDecoder) keepRecord(ctx context.Context, kind byte, body []byte) error {
	index := d.others
	d.others++
	if d.archive.KeepRecord == nil {
		return nil
	}
	r := archive.Record{Type: kind, Body: body, Index: index, Before: d.chain.Count(), Print: d.chain.Print()}
	return d.archive.KeepRecord(ctx, &r)
}

// readEnd checks an end against the records before it.
func (d *seqDecoder) readEnd(ctx context.Context, m *pipeline.Message) error {
	if m.Key != nil || m.Subject != nil || m.Headers != nil || m.Time.UnixMilli() != 0 || m.Value == nil {
		return errRecord
	}
	if err := d.keepRecord(ctx, archive.TypeEnd, m.Value); err != nil {
		return err
	}
	if d.archive.OpenEnd == nil {
		d.needed = true // by the one who was told
		d.chain.AddEnd(nil)
		return nil
	}
	encoded, err := d.archive.OpenEnd(ctx, m.Value)
	if errors.Is(err, archive.ErrNotOpened) {
		d.chain.AddEnd(nil)
		return nil
	}
	if err != nil {
		return fmt.Errorf("end of the archive: %w", err)
	}
	end := archive.DecodeEnd(encoded)
	switch err := d.chain.Check(&end); {
	case errors.Is(err, archive.ErrUnconnected):
		d.chain.AddEnd(nil)
		return nil
	case err != nil && d.unread > 0:
		return fmt.Errorf("%w: the end of the archive cannot be checked: %d records before it could not be read",
			ErrMalformed, d.unread)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrTampered, err)
	}
	d.chain.AddEnd(&end)
	if d.archive.NoteEnd != nil {
		d.archive.NoteEnd(end)
	}
	return nil
}

func (d *seqDecoder) Finish() error {
	if !d.chain.IsEnded() {
		return errNoEnd
	}
	return d.checkReceipt()
}

// checkReceipt compares the ends with the receipt, if there is one.
func (d *seqDecoder) checkReceipt() error {
	switch err := d.chain.CheckReceipt(); {
	case errors.Is(err, archive.ErrCutBack):
		return fmt.Errorf("%w: %w", ErrTruncated, err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrTampered, err)
	}
	return nil
}

func (*seqDecoder) Locate(place string, index int64) string {
	return fmt.Sprintf("%s@%d", place, index)
}

// CanResume implements Decoder.
func (d *seqDecoder) CanResume() bool { return !d.needed }

// AppendState appends: unread 4 || the chain.
func (d *seqDecoder) AppendState(dst []byte) []byte {
	return d.chain.AppendState(binary.BigEndian.AppendUint32(dst, d.unread))
}

// Restore implements Resumable.
func (d *seqDecoder) Restore(state []byte) error {
	if len(state) < 4 {
		return errSeqState
	}
	if rest, err := d.chain.Restore(state[4:]); err != nil || len(rest) > 0 {
		return errSeqState
	}
	d.unread, d.started = binary.BigEndian.Uint32(state), true
	return nil
}
