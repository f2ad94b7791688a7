package transform

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// maxBitmaps is how many unordered places a Gate follows: 256 KiB of bitmaps.
const maxBitmaps = 32

// GateStats count what Gates see. The counters only grow.
type GateStats struct {
	Duplicates atomic.Int64 // dropped
	Gaps       atomic.Int64 // messages of an ordered place whose predecessor did not come
	Foreign    atomic.Int64 // messages sealed from another place than the first one of their place
	Untracked  atomic.Int64 // messages of more places than a Gate follows: they pass, duplicates too
}

// Gate drops duplicates on the way out. It looks at where messages were stored before they were sealed: of an ordered place
// it drops what is not beyond the highest offset seen, of an unordered one what is marked in a bitmap of the last 65,536 offsets. Gaps and
// foreign places are counted. Messages without a source pass.
//
// Where it cannot know, it lets pass: a duplicate can be dropped again further on, a lost message is lost.
type Gate struct {
	stats    *GateStats
	first    placeID // zero before the first message that has a source
	ordered  highest
	unsorted map[placeID]*bitmap
}

var _ pipeline.Gate = (*Gate)(nil)

// placeID is a sealed place: the beginning of a hash (docs/envelope.md, section 3). Zero stands for none.
type placeID [7]byte

// NewGate returns a Gate that goes on from a state that AppendState wrote, or from the beginning if that is empty.
func NewGate(state []byte, stats *GateStats) (*Gate, error) {
	ordered, err := restore(state)
	if err != nil {
		return nil, err
	}
	return &Gate{stats: stats, ordered: ordered, unsorted: map[placeID]*bitmap{}}, nil
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
	if distance == 0 {
		return g.admitUnordered(place, offset)
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

func (g *Gate) admitUnordered(place placeID, offset uint64) error {
	b := g.unsorted[place]
	if b == nil {
		if len(g.unsorted) == maxBitmaps {
			g.stats.Untracked.Add(1)
			return nil
		}
		b = &bitmap{}
		g.unsorted[place] = b
	}
	if b.mark(offset) {
		g.stats.Duplicates.Add(1)
		return pipeline.Skip
	}
	return nil
}

// AppendState implements pipeline.Gate. Bitmaps are not part of it: unordered places start anew.
func (g *Gate) AppendState(dst []byte) []byte { return g.ordered.append(dst) }
