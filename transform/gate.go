package transform

import (
	"encoding/binary"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// GateStats count what Gates see. The counters only grow.
type GateStats struct {
	Duplicates   atomic.Int64 // messages that came before, whether they were dropped or not
	Gaps         atomic.Int64 // messages of an ordered place whose predecessor did not come
	Reordered    atomic.Int64 // messages that are older than others of their place
	Foreign      atomic.Int64 // messages that lie in another partition than they were sealed for
	Unplaced     atomic.Int64 // messages whose envelope names no place
	Untracked    atomic.Int64 // messages of more places than a Gate follows: duplicates pass
	ExtraHeaders atomic.Int64 // headers that were not sealed
}

// GateOptions say how a Gate judges. Gates of one route share the Stats.
type GateOptions struct {
	Stats  *GateStats
	Policy Policy
	// Partition is the number of the partition that the place is; -1: it is
	// none.
	Partition int
	// Compacted says that messages are deleted out of the place: gaps say
	// nothing.
	Compacted bool
	// Windows, if not nil, bounds the memory of windows of all Gates together.
	Windows *Windows
	// Breaker, if not nil, stops places with many refusals.
	Breaker *Breaker
}

// Gate finds out which messages came before (docs/envelope.md, section 19). It
// looks at where they were stored before they were sealed, and knows the runs
// of offsets that have come, with their terms. It drops only messages that it
// knows, and only if their data key is vouched for: everyone who can seal could
// delete messages otherwise. For the same reason it compares messages that
// nobody vouches for with each other only. Messages without a place pass.
type Gate struct {
	o         GateOptions
	runs      *knownRuns
	strangers *knownRuns // of messages that nobody vouches for; not in the state
	windows   map[windowPlace]*window
	guesses   guesses
	blocked   error // see ReadBreaker
}

var _ pipeline.Gate = (*Gate)(nil)

// seed keeps strangers from choosing subjects that look alike to a Gate.
var seed = maphash.MakeSeed()

// NewGate returns a Gate that goes on from a state that AppendState wrote, or
// from the beginning if that is empty. With an error the Gate is good, and
// begins without a state.
func NewGate(state []byte, o GateOptions) (*Gate, error) {
	if o.Windows == nil {
		o.Windows = NewWindows()
	}
	o.Policy = o.Policy.fill()
	known, err := parseState(state)
	g := &Gate{
		o: o, runs: known.runs, strangers: newRuns(), windows: map[windowPlace]*window{}, guesses: known.guesses,
	}
	g.blocked = g.guesses.adopt(o.Breaker)
	return g, err
}

// Admit implements pipeline.Gate.
func (g *Gate) Admit(m *pipeline.Message) error {
	var k mark
	if !k.read(&m.Mark) {
		return nil
	}
	if k.extra > 0 {
		g.o.Stats.ExtraHeaders.Add(int64(k.extra))
	}
	if !k.hasSource() {
		g.o.Stats.Unplaced.Add(1)
		return nil
	}
	if k.flags&markSamePartition != 0 && g.o.Partition >= 0 && g.o.Partition != k.partition() {
		g.o.Stats.Foreign.Add(1)
		if err := g.o.Policy.Foreign.act(pipeline.ReasonForeignRecord, "sealed for another partition"); err != nil {
			return err
		}
	}
	if k.distance == 0 {
		return g.admitUnordered(&k, m.Subject)
	}
	return g.admitOrdered(&k, m.Subject)
}

// admitOrdered judges a message of a place whose messages stand in order.
func (g *Gate) admitOrdered(k *mark, subject []byte) error {
	runs := g.runsOf(k)
	p := runs.find(k.place)
	if p != nil && k.flags&markSamePartition != 0 && k.distance != envelope.UnknownDistance &&
		p.extend(k.offset, uint64(k.distance), k.term) {
		return nil
	}
	first, reach, known := k.offset, uint64(0), false
	if d := uint64(k.distance); d != envelope.UnknownDistance && d <= k.offset {
		first, reach, known = k.offset-d+1, k.offset-d, true
	} else if d == k.offset+1 { // the first of all
		first = 0
	}
	found := isNew
	if p != nil {
		found = p.judge(k.offset, k.term, reach, known)
	}
	// Where neighbours go to other partitions, runs do not grow together, and
	// gaps say nothing.
	var w *window
	if k.flags&markSamePartition == 0 {
		w = g.findWindow(k, subject)
		switch {
		case w != nil && w.contains(k.offset, tagOf(k.term, subject)):
			found = isDuplicate
		case found == isGap && g.o.Partition >= 0:
			found = isNew
		}
	}
	if err := g.answer(k, found); err != nil {
		return err
	}
	if found == isDuplicate {
		return nil // it passes, and is known
	}
	if w != nil {
		w.mark(k.offset, tagOf(k.term, subject))
	}
	if !runs.note(k.place, first, k.offset, k.term) {
		g.o.Stats.Untracked.Add(1)
	}
	return nil
}

// answer counts a finding and returns what comes of it.
func (g *Gate) answer(k *mark, found verdict) error {
	switch found { //nolint:exhaustive // a new message has no answer
	case isDuplicate:
		g.o.Stats.Duplicates.Add(1)
		action := g.o.Policy.Duplicate
		if action == Drop && !k.isVouched() {
			action = Pass
		}
		return action.act(pipeline.ReasonDuplicate, "it came before")
	case isReordered:
		g.o.Stats.Reordered.Add(1)
		return g.o.Policy.Reordered.act(pipeline.ReasonReordered, "older than a message that came before it")
	case isGap:
		if g.o.Compacted {
			return nil
		}
		g.o.Stats.Gaps.Add(1)
		return g.o.Policy.Gap.act(pipeline.ReasonGap, "messages before it did not come")
	}
	return nil
}

// admitUnordered judges a message of a place without an order.
func (g *Gate) admitUnordered(k *mark, subject []byte) error {
	w := g.findWindow(k, subject)
	switch tag := tagOf(k.term, subject); {
	case w == nil:
		g.o.Stats.Untracked.Add(1)
	case w.contains(k.offset, tag):
		return g.answer(k, isDuplicate)
	default:
		w.mark(k.offset, tag)
	}
	return nil
}

// tagOf stands for a term and a subject. Two of them look alike once in 2^31.
func tagOf(term uint64, subject []byte) uint32 {
	var h maphash.Hash
	h.SetSeed(seed)
	var b [9]byte
	binary.BigEndian.PutUint64(b[:], term)
	if subject != nil {
		b[8] = 1
	}
	h.Write(b[:])
	h.Write(subject)
	return uint32(h.Sum64()) | 1
}

// runsOf returns the runs with which a message is compared.
func (g *Gate) runsOf(k *mark) *knownRuns {
	if k.isVouched() {
		return g.runs
	}
	return g.strangers
}

// findWindow returns the window of a message's place, nil if there is no room.
func (g *Gate) findWindow(k *mark, subject []byte) *window {
	at := windowPlace{k.place, subject != nil, k.isVouched()}
	w := g.windows[at]
	if w == nil && g.o.Windows.take(k.isVouched()) {
		w = &window{}
		g.windows[at] = w
	}
	return w
}

// AppendState implements pipeline.Gate. Windows, and the runs of
// messages that nobody vouches for, are not part of it: they begin anew.
func (g *Gate) AppendState(dst []byte) []byte {
	if b := g.o.Breaker; b != nil && !g.guesses.open && len(g.guesses.times) > 0 {
		g.guesses.forgetBefore(time.Now().Add(-b.Window))
	}
	known := gateState{g.runs, g.guesses}
	return known.append(dst)
}
