package transform

import (
	"encoding/binary"
	"hash/maphash"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// maxUnordered is how many unordered places a Gate follows; each takes 8 KiB, or 256 KiB where messages have subjects.
const maxUnordered = 32

// GateStats count what Gates see. The counters only grow.
type GateStats struct {
	Duplicates atomic.Int64 // dropped
	Gaps       atomic.Int64 // messages of an ordered place whose predecessor did not come
	Foreign    atomic.Int64 // messages sealed from another place than the first one of their place
	Untracked  atomic.Int64 // messages of more places than a Gate follows: they pass, duplicates too
}

// Gate drops duplicates on the way out. It looks at where messages were stored before they were sealed: of an ordered place
// it drops what is not beyond the highest offset seen, of an unordered one what is among the last 65,536 offsets seen, under the same subject. Gaps and
// foreign places are counted. Messages without a source pass.
//
// Where it cannot know, it lets pass: a duplicate can be dropped again further on, a lost message is lost.
type Gate struct {
	stats    *GateStats
	inOrder  bool    // the source gives messages in the order of its offsets
	first    placeID // zero before the first message that has a source
	ordered  highest
	unsorted map[unorderedPlace]marks
}

var _ pipeline.Gate = (*Gate)(nil)

// seed keeps anyone from choosing subjects that look alike to a Gate.
var seed = maphash.MakeSeed()

// placeID is a sealed place: the beginning of a hash (docs/envelope.md, section 3). Zero stands for none.
type placeID [7]byte

// NewGate returns a Gate that goes on from a state that AppendState wrote, or from the beginning if that is empty.
//
// ordered says whether the source gives its messages in the order of its own offsets. Behind one that gives a message again after later
// ones, as a stream does when a consumer has failed, "not beyond the highest" would drop what comes again and was never
// written. Then every place is treated as an unordered one, whatever its envelopes promise.
func NewGate(state []byte, ordered bool, stats *GateStats) (*Gate, error) {
	places, err := restore(state)
	if err != nil {
		return nil, err
	}
	return &Gate{stats: stats, inOrder: ordered, ordered: places, unsorted: map[unorderedPlace]marks{}}, nil
}

// Admit implements pipeline.Gate.
func (g *Gate) Admit(m *pipeline.Message) error {
	place := placeID(m.Mark[:7])
	if place == (placeID{}) {
		return nil
	}
	switch g.first {
	case placeID{}:
		g.first = place
	case place:
	default:
		g.stats.Foreign.Add(1)
	}
	offset, distance := binary.BigEndian.Uint64(m.Mark[7:]), binary.BigEndian.Uint32(m.Mark[15:])
	if distance == 0 || !g.inOrder {
		return g.admitUnordered(unorderedPlace{place, m.Subject != nil}, offset, m.Subject)
	}
	return g.admitOrdered(place, offset, distance)
}

func (g *Gate) admitOrdered(place placeID, offset uint64, distance uint32) error {
	last := g.ordered.find(place)
	switch {
	case last == nil:
		if !g.ordered.add(place, offset) {
			g.stats.Untracked.Add(1)
		}
		return nil
	case offset <= *last:
		g.stats.Duplicates.Add(1)
		return pipeline.Skip
	case distance != unknown && offset-uint64(distance) != *last:
		g.stats.Gaps.Add(1)
	}
	*last = offset
	return nil
}

// unorderedPlace is a place as messages with subjects, or without, come from it.
type unorderedPlace struct {
	placeID
	subjects bool
}

// marks remember offsets. The tag stands for a subject and is not 0.
type marks interface {
	mark(offset uint64, tag uint32) (seen bool)
}

func (g *Gate) admitUnordered(place unorderedPlace, offset uint64, subject []byte) error {
	r := g.unsorted[place]
	if r == nil {
		if len(g.unsorted) == maxUnordered {
			g.stats.Untracked.Add(1)
			return nil
		}
		r = &bitmap{}
		if place.subjects {
			r = &recent{}
		}
		g.unsorted[place] = r
	}
	if r.mark(offset, uint32(maphash.Bytes(seed, subject))|1) { // 31 bits: two subjects look alike once in 2^31
		g.stats.Duplicates.Add(1)
		return pipeline.Skip
	}
	return nil
}

// AppendState implements pipeline.Gate. Unordered places are not part of it: they start anew.
func (g *Gate) AppendState(dst []byte) []byte { return g.ordered.append(dst) }
