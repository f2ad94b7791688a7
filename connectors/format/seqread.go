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
}

func newSeqDecoder(a Archive, l limits) *seqDecoder {
	d := &seqDecoder{archive: a, limits: l}
	d.chain, d.front = archive.NewChain(a.Receipt), a.Front
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
		// A length over the limit is that of a torn record too, unless as many
		// bytes as the limit follow.
		switch {
		case length == 0 && more:
			return 0, errEmpty
		case length > most && int64(len(b)) > frameSize+most:
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
	errNoEnd    = fmt.Errorf("%w: no end behind the last record", ErrTruncated)
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
	kind, body := record[frameSize], record[frameSize+1:]
	if kind > archive.TypeEnd {
		return false, d.readRecord(ctx, kind, body)
	}
	m := b.addMessage()
	p := bodyParser{b: body}
	err := p.parseMessage(m, b, d.limits.headers)
	switch {
	case err != nil:
	case kind == archive.TypeMessage:
		d.addMessage(m)
		return true, nil
	default:
		err = d.readEnd(ctx, m)
	}
	b.dropMessage()
	if errors.Is(err, errRecord) {
		err = fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return false, err
}

// readRecord reads a record that has not the form of a message.
func (d *seqDecoder) readRecord(ctx context.Context, kind byte, body []byte) error {
	if kind > archive.TypeDictionaryRecord && kind < archive.FirstPassedOver {
		return fmt.Errorf("%w: a record of type %d", ErrMalformed, kind)
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

func (d *seqDecoder) CanResume() bool { return !d.needed }

func (d *seqDecoder) AppendState(dst []byte) []byte { return d.chain.AppendState(dst) }

func (d *seqDecoder) Restore(state []byte) error {
	if rest, err := d.chain.Restore(state); err != nil || len(rest) > 0 {
		return errSeqState
	}
	d.started = true
	return nil
}
