package format

import (
	"encoding/binary"
	"fmt"
)

// The state of a seqDecoder is the kind of the last record, the end record for
// keep if there is one (it will not be read again), the number of records that
// could not be read, and the roll.
const (
	lastMessage = iota
	lastEnd
	lastEndKept // length 4 || its value
)

func (d *seqDecoder) AppendState(dst []byte) []byte {
	switch {
	case d.ended && d.keep != nil:
		dst = binary.BigEndian.AppendUint32(append(dst, lastEndKept), uint32(len(d.kept)))
		dst = append(dst, d.kept...)
	case d.ended:
		dst = append(dst, lastEnd)
	default:
		dst = append(dst, lastMessage)
	}
	return d.roll.AppendState(binary.BigEndian.AppendUint32(dst, uint32(d.unread)))
}

func (d *seqDecoder) Restore(state []byte) error {
	bad := fmt.Errorf("%w: state of a seq", ErrMalformed)
	if len(state) == 0 {
		return bad
	}
	last, state := state[0], state[1:]
	d.started, d.ended = true, last != lastMessage
	var kept []byte
	if last == lastEndKept {
		if len(state) < 4 || uint64(len(state)-4) < uint64(binary.BigEndian.Uint32(state)) {
			return bad
		}
		n := 4 + int(binary.BigEndian.Uint32(state))
		kept, state = state[4:n:n], state[n:]
	}
	if len(state) < 4 {
		return bad
	}
	d.unread = int(binary.BigEndian.Uint32(state))
	if err := d.roll.Restore(state[4:]); err != nil {
		return err
	}
	if kept != nil {
		d.keepEnd(kept)
	}
	return nil
}

func (d *seqDecoder) keepEnd(record []byte) {
	if d.keep == nil {
		return
	}
	d.kept = append(d.kept[:0], record...)
	d.keep(d.kept, d.count, d.digest())
}
