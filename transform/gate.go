package transform

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

const (
	// stateSize is what one sealed place takes in a Gate's state: the beginning of its hash, and an offset.
	stateSize   = 4 + 8
	maxOrdered  = 300 // sealed places in one state: it has to fit Kafka's 4,096 bytes of offset metadata
	maxBitmaps  = 32  // unordered places with a bitmap, 8 KiB each
	bitmapWidth = 1 << 16
)

// GateStats count what Gates see. The counters only grow.
type GateStats struct {
	Duplicates atomic.Int64 // dropped
	Gaps       atomic.Int64 // messages of an ordered place whose predecessor did not come
	Foreign    atomic.Int64 // messages sealed from another place than the first one of their place
	Untracked  atomic.Int64 // messages of more places than a Gate follows
}

// Gate drops duplicates on the way out. It looks at where messages were stored before they were sealed: of an ordered place
// it drops what is not beyond the highest offset seen, of an unordered one what is marked in a bitmap of the last 65,536 offsets. Gaps and
// foreign places are counted. Messages without a source pass.
type Gate struct {
	stats   *GateStats
	first   *[7]byte
	ordered map[[4]byte]uint64 // highest offset, by the beginning of the place's hash
	bitmaps map[[7]byte]*bitmap
}

var _ pipeline.Gate = (*Gate)(nil)

// NewGate returns a Gate that goes on from a state that AppendState wrote, or from the beginning if that is empty.
func NewGate(state []byte, stats *GateStats) (*Gate, error) {
	if len(state)%stateSize != 0 || len(state) > maxOrdered*stateSize {
		return nil, errors.New("gate state: wrong length")
	}
	g := &Gate{stats: stats, ordered: map[[4]byte]uint64{}, bitmaps: map[[7]byte]*bitmap{}}
	for ; len(state) > 0; state = state[stateSize:] {
		g.ordered[[4]byte(state)] = binary.BigEndian.Uint64(state[4:])
	}
	return g, nil
}

// Admit implements pipeline.Gate.
func (g *Gate) Admit(m *pipeline.Message) error {
	place := [7]byte(m.Mark[:7])
	if m.Mark[23] == 0 || place == ([7]byte{}) {
		return nil
	}
	if g.first == nil {
		g.first = &place
	}
	if place != *g.first {
		g.stats.Foreign.Add(1)
	}
	offset, distance := binary.BigEndian.Uint64(m.Mark[7:]), binary.BigEndian.Uint32(m.Mark[15:])
	if distance == 0 {
		return g.admitUnordered(place, offset)
	}
	return g.admitOrdered([4]byte(place[:4]), offset, distance)
}

func (g *Gate) admitOrdered(place [4]byte, offset uint64, distance uint32) error {
	highest, known := g.ordered[place]
	switch {
	case known && offset <= highest:
		g.stats.Duplicates.Add(1)
		return pipeline.Skip
	case known && distance != unknown && offset-uint64(distance) != highest:
		g.stats.Gaps.Add(1)
	case !known && len(g.ordered) == maxOrdered:
		g.stats.Untracked.Add(1)
		return nil
	}
	g.ordered[place] = offset
	return nil
}

func (g *Gate) admitUnordered(place [7]byte, offset uint64) error {
	b := g.bitmaps[place]
	if b == nil {
		if len(g.bitmaps) == maxBitmaps {
			g.stats.Untracked.Add(1)
			return nil
		}
		b = &bitmap{}
		g.bitmaps[place] = b
	}
	if b.mark(offset) {
		g.stats.Duplicates.Add(1)
		return pipeline.Skip
	}
	return nil
}

// AppendState implements pipeline.Gate. Bitmaps are not part of it: unordered places start anew.
func (g *Gate) AppendState(dst []byte) []byte {
	places := make([][4]byte, 0, len(g.ordered))
	for place := range g.ordered {
		places = append(places, place)
	}
	slices.SortFunc(places, func(a, b [4]byte) int { return slices.Compare(a[:], b[:]) })
	for _, place := range places {
		dst = append(dst, place[:]...)
		dst = binary.BigEndian.AppendUint64(dst, g.ordered[place])
	}
	return dst
}

// bitmap remembers which of the last bitmapWidth offsets were seen.
type bitmap struct {
	highest uint64
	any     bool
	bits    [bitmapWidth / 64]uint64
}

// mark notes an offset and says whether it was noted before. Of offsets too old to know it says no.
func (b *bitmap) mark(offset uint64) (seen bool) {
	switch {
	case !b.any || offset > b.highest && offset-b.highest >= bitmapWidth:
		clear(b.bits[:])
		b.highest, b.any = offset, true
	case offset > b.highest:
		for b.highest != offset { // the slots that change hands
			b.highest++
			b.bits[b.highest%bitmapWidth/64] &^= 1 << (b.highest % 64)
		}
	case b.highest-offset >= bitmapWidth:
		return false
	}
	word, bit := &b.bits[offset%bitmapWidth/64], uint64(1)<<(offset%64)
	seen = *word&bit != 0
	*word |= bit
	return seen
}
