package transform_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/streamcrypt/streamcrypt/transform"
)

// model is a Gate that remembers everything.
type model struct {
	ordered map[[7]byte]uint64 // highest offset
	seen    map[[7]byte]map[uint64]bool
	most    map[[7]byte]uint64 // highest offset of seen
}

func newModel() *model {
	return &model{map[[7]byte]uint64{}, map[[7]byte]map[uint64]bool{}, map[[7]byte]uint64{}}
}

func (m *model) passes(place [7]byte, offset uint64, distance uint32) bool {
	if distance != 0 {
		last, known := m.ordered[place]
		if known && offset <= last {
			return false
		}
		m.ordered[place] = offset
		return true
	}
	if m.seen[place] == nil {
		m.seen[place] = map[uint64]bool{}
	}
	m.most[place] = max(m.most[place], offset)
	old := m.most[place]-offset >= bitmapWidth
	passes := old || !m.seen[place][offset]
	m.seen[place][offset] = true
	return passes
}

// TestGateAgainstModel: a Gate drops what one with endless memory drops, over restarts, which lose only bitmaps.
func TestGateAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		places := make([][7]byte, 1+rnd.IntN(6))
		at := make([]uint64, len(places))
		for i := range places {
			places[i] = [7]byte(binary.BigEndian.AppendUint64(nil, rnd.Uint64()))
			switch rnd.IntN(4) {
			case 0:
				at[i] = math.MaxUint64 - uint64(rnd.IntN(3000))
			case 1:
				at[i] = 1<<48 - uint64(rnd.IntN(300))
			}
		}
		g, m := newGate(t, nil), newModel()
		restarts := rnd.IntN(3) > 0
		for range 10_000 {
			if restarts && rnd.IntN(1000) == 0 {
				g = newGate(t, g.AppendState(nil))
				m.seen, m.most = map[[7]byte]map[uint64]bool{}, map[[7]byte]uint64{}
				for place, last := range m.ordered {
					m.ordered[place] = min(last, 1<<48-1)
				}
			}
			i := rnd.IntN(len(places))
			offset, distance := at[i], uint32(1)
			switch rnd.IntN(8) {
			case 0: // again
				offset -= min(offset, uint64(rnd.IntN(5)))
			case 1: // about as old as a bitmap remembers
				offset -= min(offset, uint64(bitmapWidth-3+rnd.IntN(6)))
			case 2: // far ahead
				offset += min(math.MaxUint64-offset, uint64(rnd.IntN(2*bitmapWidth)))
			default:
				offset += min(math.MaxUint64-offset, 1)
			}
			at[i] = max(at[i], offset)
			switch rnd.IntN(5) {
			case 0:
				distance = unknown
			case 1, 2:
				distance = 0
			}
			if got, want := g.passes(t, places[i], offset, distance), m.passes(places[i], offset, distance); got != want {
				t.Fatalf("seed %d: place %d, offset %d, distance %d: passes %v", seed, i, offset, distance, got)
			}
		}
	}
}

// FuzzGate: whatever states and marks say, a Gate answers, its state stays within its bounds, and a place that a new Gate
// sees for the first time passes.
func FuzzGate(f *testing.F) {
	f.Add([]byte(nil), make([]byte, 24))
	f.Add(make([]byte, entrySize), marked([7]byte{1}, 5, 1).Mark[:])
	f.Add(make([]byte, entrySize+1), marked([7]byte{0, 0, 0, 0, 0, 0, 1}, math.MaxUint64, unknown).Mark[:])
	two := append(marked([7]byte{1}, 5, 0).Mark[:], marked([7]byte{1}, math.MaxUint64, 0).Mark[:]...)
	f.Add([]byte("abcdefghijklabcdefghijk0"), two)
	f.Fuzz(func(t *testing.T, state, marks []byte) {
		stats := new(transform.GateStats)
		g, err := transform.NewGate(state, true, stats)
		if bad := len(state)%entrySize != 0 || len(state) > maxOrdered*entrySize; bad != (err != nil) {
			t.Fatalf("a state of %d bytes: %v", len(state), err)
		}
		if err != nil {
			return
		}
		var n int64
		seen := map[[7]byte]bool{}
		for ; len(marks) >= 24; marks = marks[24:] {
			place := [7]byte(marks)
			m := marked(place, 0, 0)
			copy(m.Mark[:], marks)
			n++
			if err := g.Admit(m); err != nil && len(state) == 0 && !seen[place] {
				t.Fatalf("the first message of %x: %v", place, err)
			}
			seen[place] = true
		}
		out := g.AppendState(nil)
		if len(out) > maxOrdered*entrySize || len(out) > len(state)+int(n)*entrySize {
			t.Fatalf("a state of %d bytes and %d messages made one of %d", len(state), n, len(out))
		}
		if _, err := transform.NewGate(out, true, stats); err != nil {
			t.Fatal(err)
		}
		if total := stats.Duplicates.Load() + stats.Gaps.Load() + stats.Untracked.Load(); total > n || stats.Foreign.Load() >= max(n, 1) {
			t.Fatalf("%d messages counted %d times", n, total)
		}
	})
}
