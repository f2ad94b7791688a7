package format

import (
	"encoding/binary"
	"fmt"
)

// The state of a seqDecoder is the kind of the last record, the end record for
// keep if there is one (it will not be read again), and the roll.
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
	return d.roll.AppendState(dst)
}

func (d *seqDecoder) Restore(state []byte) error {
	bad := fmt.Errorf("%w: state of a seq", ErrMalformed)
	if len(state) == 0 {
		return bad
	}
	last, state := state[0], state[1:]
	d.started, d.ended = true, last != lastMessage
	if last != lastEndKept {
		return d.roll.Restore(state)
	}
	if len(state) < 4 || uint64(len(state)-4) < uint64(binary.BigEndian.Uint32(state)) {
		return bad
	}
	n := 4 + int(binary.BigEndian.Uint32(state))
	if err := d.roll.Restore(state[n:]); err != nil {
		return err
	}
	d.keepEnd(state[4:n])
	return nil
}

func (d *seqDecoder) keepEnd(record []byte) {
	if d.keep == nil {
		return
	}
	d.kept = append(d.kept[:0], record...)
	d.keep(d.kept, d.count, d.digest())
}
