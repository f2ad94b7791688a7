package format

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// keptNames is how many key records of the file every reader still has. An
// earlier one is written again.
const keptNames = 1024

// seqEncoder writes a seq.
type seqEncoder struct {
	digester
	archive Archive
	limits  limits
	flags   byte     // of the next end
	id      [16]byte // of the archive, unless it goes on

	names   map[[16]byte]struct{} // of the last key records
	order   [][16]byte            // of names
	begun   bool                  // the dictionary has been written
	carried uint64                // records of the Carrier that were written
	value   []byte
}

func newSeqEncoder(a Archive, l limits) *seqEncoder {
	e := &seqEncoder{archive: a, limits: l, names: map[[16]byte]struct{}{}}
	e.chain, e.front = archive.NewChain(nil), a.Front
	rand.Read(e.id[:])
	return e
}

func (*seqEncoder) Begin(dst []byte) []byte { return append(dst, seqMagic...) }

func (e *seqEncoder) Append(dst []byte, m *pipeline.Message) ([]byte, error) {
	if err := e.limits.checkRecord(m, len(m.Value)); err != nil {
		return dst, err
	}
	start := len(dst)
	out, err := e.appendCarried(dst)
	if err == nil {
		out, err = e.appendDictionary(out)
	}
	if err == nil {
		out, err = e.appendKeyRecord(out, m)
	}
	if err == nil {
		out, err = appendMessageFrame(out, archive.TypeMessage, m, e.limits.record)
	}
	if err != nil {
		return dst[:start], err
	}
	e.addMessage(m)
	return out, nil
}

// appendCarried appends the records that stand before the next message.
func (e *seqEncoder) appendCarried(dst []byte) ([]byte, error) {
	if e.archive.Carrier == nil {
		return dst, nil
	}
	for {
		r, ok := e.archive.Carrier.Peek(e.carried, e.chain.Count())
		if !ok {
			return dst, nil
		}
		if r.Before != e.chain.Count() || r.Print != e.chain.Print() {
			return dst, errors.New("the records written are not those of the archive that was read")
		}
		var err error
		if r.Type == archive.TypeEnd {
			dst, err = e.appendEnd(dst, r.Body)
		} else {
			dst, err = appendFrame(dst, r.Type, r.Body, e.limits.record)
		}
		if err != nil {
			return dst, err
		}
		if r.Type == archive.TypeEnd {
			e.chain.AddEnd(nil)
		} else {
			e.addRecord(r.Type, r.Body)
		}
		e.carried++
	}
}

// appendDictionary appends the dictionary record, once.
func (e *seqEncoder) appendDictionary(dst []byte) ([]byte, error) {
	if e.begun || e.archive.Dictionary == nil {
		return dst, nil
	}
	dst, err := appendFrame(dst, archive.TypeDictionaryRecord, e.archive.Dictionary, e.limits.record)
	if err == nil {
		e.begun = true
		e.addRecord(archive.TypeDictionaryRecord, e.archive.Dictionary)
	}
	return dst, err
}

// appendKeyRecord appends the key record that a message needs, unless the file
// has it.
func (e *seqEncoder) appendKeyRecord(dst []byte, m *pipeline.Message) ([]byte, error) {
	if e.archive.KeyRecord == nil {
		return dst, nil
	}
	sealed := m.Value
	if sealed == nil {
		at := findTombstone(m.Headers)
		if at < 0 {
			return dst, nil
		}
		sealed = m.Headers[at].Value
	}
	name, record, ok := e.archive.KeyRecord(sealed)
	if !ok {
		return dst, nil
	}
	if _, there := e.names[name]; there {
		return dst, nil
	}
	dst, err := appendFrame(dst, archive.TypeKeyRecord, record, e.limits.record)
	if err != nil {
		return dst, err
	}
	if len(e.order) == keptNames {
		delete(e.names, e.order[0])
		e.order = append(e.order[:0], e.order[1:]...)
	}
	e.names[name], e.order = struct{}{}, append(e.order, name)
	e.addRecord(archive.TypeKeyRecord, record)
	return dst, nil
}

func (e *seqEncoder) End(ctx context.Context, dst []byte) ([]byte, error) {
	if e.archive.Carrier != nil {
		dst, err := e.appendCarried(dst)
		if err == nil && !e.chain.IsEnded() {
			err = errors.New("the archive that was read has no end")
		}
		return dst, err
	}
	end := e.chain.NextEnd(e.id, e.flags)
	value, err := e.archive.SealEnd(ctx, e.value[:0], end.Encode())
	if err != nil {
		return dst, fmt.Errorf("end of the archive: %w", err)
	}
	e.value = value
	if dst, err = e.appendEnd(dst, value); err != nil {
		return dst, err
	}
	e.chain.AddEnd(&end)
	e.flags = 0
	if e.archive.NoteEnd != nil {
		e.archive.NoteEnd(end)
	}
	return dst, nil
}

// appendEnd appends an end that is sealed: a message that holds nothing else.
func (e *seqEncoder) appendEnd(dst, sealed []byte) ([]byte, error) {
	m := pipeline.Message{Time: time.UnixMilli(0), Value: sealed}
	return appendMessageFrame(dst, archive.TypeEnd, &m, e.limits.record)
}

// continueAfter goes on behind a file that was read.
func (e *seqEncoder) continueAfter(d *seqDecoder, isCut, own bool) error {
	if !d.chain.IsEmpty() && !d.chain.IsEnded() && !own && !e.archive.Repair {
		return errNoEnd
	}
	if err := d.checkReceipt(); err != nil {
		return err
	}
	var flags byte
	if e.archive.Repair && (isCut || !d.chain.IsEmpty() && !d.chain.IsEnded()) && !own {
		flags = archive.FlagLost
	}
	if d.chain.HasEnds() && d.chain.Last() == nil {
		flags |= archive.FlagUnverified
	}
	if _, err := e.chain.Restore(d.chain.AppendState(nil)); err != nil {
		return err
	}
	e.flags |= flags
	return nil
}

// AppendState appends: flags 1 || carried 8 || id 16 || the chain. Key records
// are written again after a restart.
func (e *seqEncoder) AppendState(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, e.flags), e.carried)
	return e.chain.AppendState(append(dst, e.id[:]...))
}

func (e *seqEncoder) Restore(state []byte) error {
	const head = 1 + 8 + 16
	if len(state) < head {
		return errSeqState
	}
	if rest, err := e.chain.Restore(state[head:]); err != nil || len(rest) > 0 {
		return errSeqState
	}
	e.flags, e.carried, e.id = state[0], binary.BigEndian.Uint64(state[1:]), [16]byte(state[9:])
	// What was written behind the state is gone, and key records with it.
	clear(e.names)
	e.order, e.begun = e.order[:0], false
	return nil
}

var errSeqState = fmt.Errorf("%w: state of a seq", ErrMalformed)
