package transform_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

const (
	entrySize    = 12
	maxOrdered   = 240
	maxUnordered = 32
	bitmapWidth  = 1 << 16
)

// gate is a Gate under test with its counters.
type gate struct {
	*transform.Gate
	stats   *transform.GateStats
	subject []byte // of the messages
}

func newGate(t testing.TB, state []byte) gate {
	t.Helper()
	stats := new(transform.GateStats)
	g, err := transform.NewGate(state, true, stats)
	if err != nil {
		t.Fatal(err)
	}
	return gate{Gate: g, stats: stats}
}

// passes admits a message, and fails the test for any other answer than nil and Skip.
func (g gate) passes(t testing.TB, place [7]byte, offset uint64, distance uint32) bool {
	t.Helper()
	m := marked(place, offset, distance)
	m.Subject = g.subject
	before := *m
	err := g.Admit(m)
	if err != nil && !errors.Is(err, pipeline.Skip) {
		t.Fatal(err)
	}
	if !sameMessage(m, &before) || m.Mark != before.Mark {
		t.Fatal("the Gate changed the message")
	}
	return err == nil
}

func (g gate) counts(t testing.TB, duplicates, gaps, foreign, untracked int64) {
	t.Helper()
	got := [4]int64{g.stats.Duplicates.Load(), g.stats.Gaps.Load(), g.stats.Foreign.Load(), g.stats.Untracked.Load()}
	if want := [4]int64{duplicates, gaps, foreign, untracked}; got != want {
		t.Errorf("duplicates, gaps, foreign, untracked %v, want %v", got, want)
	}
}

// step is a message of a place and what the Gate says to it.
type step struct {
	offset   uint64
	distance uint32
	passes   bool
}

// TestGateOrdered: what is not beyond the highest offset is dropped, what comes without its predecessor is counted.
func TestGateOrdered(t *testing.T) {
	const last = math.MaxUint64
	tests := []struct {
		name  string
		steps []step
		gaps  int64
	}{
		{"contiguous", []step{{0, unknown, true}, {1, 1, true}, {2, 1, true}}, 0},
		{"compacted", []step{{10, 3, true}, {50, 40, true}, {1 << 40, unknown, true}, {1<<40 + 1, 1, true}}, 0},
		{"again", []step{{5, 1, true}, {5, 1, false}, {6, 1, true}, {5, 1, false}, {6, 1, false}, {7, 1, true}}, 0},
		{"a run again", []step{{5, 1, true}, {6, 1, true}, {7, 1, true}, {5, 1, false}, {6, 1, false}, {7, 1, false}, {8, 1, true}}, 0},
		{"a gap", []step{{5, 1, true}, {7, 1, true}, {8, 1, true}, {20, 2, true}}, 2},
		{"overlap", []step{{5, 1, true}, {7, 3, true}}, 1},
		{"what filled a gap is late", []step{{5, 1, true}, {7, 1, true}, {6, 1, false}}, 1},
		{"unknown distance is no gap", []step{{5, unknown, true}, {9, unknown, true}, {9, unknown, false}}, 0},
		{"first one's distance is not known to be a gap", []step{{5, 3, true}}, 0},
		{"offset 0 again", []step{{0, unknown, true}, {0, unknown, false}, {1, 1, true}}, 0},
		{"distance beyond the beginning", []step{{1, 1, true}, {3, 9, true}}, 1},
		{"the last offset", []step{{last - 1, unknown, true}, {last, 1, true}, {last, 1, false}, {0, 1, false}}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := newGate(t, nil)
			var dropped int64
			for i, s := range test.steps {
				if got := g.passes(t, [7]byte{1}, s.offset, s.distance); got != s.passes {
					t.Errorf("step %d, %d: passes %v", i, s.offset, got)
				}
				if !s.passes {
					dropped++
				}
			}
			g.counts(t, dropped, test.gaps, 0, 0)
		})
	}
}

// TestGateUnordered: only what is marked is dropped, and what is too old to know passes.
func TestGateUnordered(t *testing.T) {
	const w, last = bitmapWidth, math.MaxUint64
	pass, drop := func(o uint64) step { return step{o, 0, true} }, func(o uint64) step { return step{o, 0, false} }
	tests := []struct {
		name  string
		steps []step
	}{
		{"in any order", []step{pass(5), pass(3), pass(9), pass(4), drop(3), drop(5), drop(9), pass(6), drop(6)}},
		{"before the first", []step{pass(70_000), pass(69_999), pass(70_000 - w + 1), drop(70_000 - w + 1), pass(70_000 - w), pass(70_000 - w)}},
		{"the oldest still known", []step{pass(0), pass(w - 1), drop(0), drop(w - 1), pass(w), pass(0), drop(w), drop(w - 1)}},
		{"a slot changes hands", []step{pass(1), pass(w + 1), drop(w + 1), pass(1), pass(2), drop(2), drop(w + 1)}},
		{"slots in between change hands", []step{pass(1), pass(2), pass(3), pass(w + 3), pass(w + 1), pass(w + 2), drop(w + 1), drop(w + 2), drop(w + 3), pass(3)}},
		{"ahead by the width", []step{pass(5), pass(5 + w), pass(5), drop(5 + w), pass(6 + w - 1 - 4), drop(5 + w)}},
		{"ahead by one less", []step{pass(5), pass(4 + w), drop(5), drop(4 + w), pass(6)}},
		{"far ahead", []step{pass(1), pass(2), pass(1 << 50), pass(1<<50 - 1), drop(1 << 50), pass(1), pass(1)}},
		{"words", []step{pass(63), pass(64), pass(127), pass(128), drop(63), drop(64), drop(127), drop(128), pass(62), pass(65)}},
		{"the last offsets", []step{pass(last), drop(last), pass(last - 1), drop(last - 1), pass(last - w + 1), drop(last - w + 1), pass(last - w), pass(0), pass(0), drop(last)}},
		{"up to the last offset", []step{pass(last - 3), pass(last), pass(last - 1), drop(last - 3), drop(last), drop(last - 1), pass(last - 2)}},
		{"from 0 to the last", []step{pass(0), pass(last), pass(0), drop(last), pass(last - 1)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := newGate(t, nil)
			var dropped int64
			for _, g.subject = range [][]byte{nil, []byte("a")} { // one does not know of the other
				for i, s := range test.steps {
					if got := g.passes(t, [7]byte{1}, s.offset, s.distance); got != s.passes {
						t.Errorf("subject %q: step %d, %d: passes %v", g.subject, i, s.offset, got)
					}
					if !s.passes {
						dropped++
					}
				}
			}
			g.counts(t, dropped, 0, 0, 0)
			if state := g.AppendState(nil); len(state) != 0 {
				t.Errorf("state %x", state)
			}
		})
	}
}

// TestGateJumps: after a jump ahead, of a bitmap that is full, exactly the offsets before the jump are known.
func TestGateJumps(t *testing.T) {
	for i, start := range []uint64{0, 1<<20 + 37, 0, 1<<20 + 37} {
		for _, jump := range []uint64{1, 63, 64, 65, 128, 5000, bitmapWidth - 1, bitmapWidth, bitmapWidth + 1} {
			g, m := newGate(t, nil), marked([7]byte{1}, 0, 0)
			if i > 1 {
				m.Subject = []byte("a")
			}
			passes := func(offset uint64) bool {
				binary.BigEndian.PutUint64(m.Mark[7:], offset)
				return g.Admit(m) == nil
			}
			last := start + bitmapWidth - 1
			for offset := start; offset <= last; offset++ {
				passes(offset)
			}
			if !passes(last + jump) {
				t.Fatalf("from %d by %d: dropped", last, jump)
			}
			for offset := last + jump - 1; offset > last+jump-bitmapWidth; offset-- {
				if got := passes(offset); got != (offset > last) {
					t.Fatalf("from %d by %d: passes(%d) is %v", last, jump, offset, got)
				}
			}
		}
	}
}

// TestGateWithoutSource: messages that say nothing of a source pass, however often.
func TestGateWithoutSource(t *testing.T) {
	g := newGate(t, nil)
	for range 3 {
		for _, distance := range []uint32{0, 1, unknown} {
			if !g.passes(t, [7]byte{}, 5, distance) {
				t.Error("dropped")
			}
		}
	}
	if g.Admit(new(pipeline.Message)) != nil || len(g.AppendState(nil)) != 0 {
		t.Error("dropped, or noted")
	}
	g.counts(t, 0, 0, 0, 0)
}

// TestGateForeign: messages of another place than the first are counted, and judged by their own place.
func TestGateForeign(t *testing.T) {
	a, b := [7]byte{1}, [7]byte{2}
	g := newGate(t, nil)
	for i, s := range []struct {
		place [7]byte
		step
	}{
		{[7]byte{}, step{1, 1, true}}, // has no place, so is not the first
		{a, step{5, 1, true}},
		{b, step{5, 0, true}},
		{b, step{3, 1, true}},
		{a, step{6, 1, true}},
		{b, step{3, 1, false}},
		{b, step{5, 0, false}},
		{a, step{5, 0, true}}, // ordered and unordered are kept apart
	} {
		if got := g.passes(t, s.place, s.offset, s.distance); got != s.passes {
			t.Errorf("step %d: passes %v", i, got)
		}
	}
	g.counts(t, 2, 0, 4, 0)
}

// place returns the n-th of many places.
func place(n int) (p [7]byte) {
	binary.BigEndian.PutUint32(p[:], uint32(n)+1)
	return p
}

// TestGateBounds: a Gate follows so many places and no more. Messages of others pass and are counted.
func TestGateBounds(t *testing.T) {
	for name, c := range map[string]struct {
		distance uint32
		most     int
	}{"ordered": {1, maxOrdered}, "unordered": {0, maxUnordered}} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, nil)
			for n := range c.most + 3 {
				if !g.passes(t, place(n), 7, c.distance) {
					t.Fatalf("place %d dropped", n)
				}
			}
			g.counts(t, 0, 0, int64(c.most+2), 3)
			for n := range c.most + 3 {
				if got, want := g.passes(t, place(n), 7, c.distance), n >= c.most; got != want {
					t.Fatalf("place %d again: passes %v", n, got)
				}
			}
			g.counts(t, int64(c.most), 0, int64(2*(c.most+2)), 6)
			if state := g.AppendState(nil); len(state) > maxOrdered*entrySize {
				t.Errorf("state of %d bytes", len(state))
			} else if next := newGate(t, state); name == "ordered" && next.passes(t, place(0), 7, 1) {
				t.Error("a full state was not taken up")
			}
		})
	}
}

func TestGateState(t *testing.T) {
	g := newGate(t, nil)
	for n := range 50 {
		g.passes(t, place(n), uint64(n)*1000, unknown)
	}
	g.passes(t, place(7), 7_001, 1)
	state := g.AppendState([]byte("x"))
	if len(state) != 1+50*entrySize || state[0] != 'x' {
		t.Fatalf("%d bytes", len(state))
	}
	state = state[1:]
	if again := g.AppendState(nil); !bytes.Equal(state, again) {
		t.Error("twice is not the same")
	}
	if restored := newGate(t, state).AppendState(nil); !bytes.Equal(state, restored) {
		t.Error("a state that was taken up is not the same")
	}
	next := newGate(t, state)
	clear(state) // it is lent
	for n := range 50 {
		last := uint64(n) * 1000
		if n == 7 {
			last++
		}
		for _, s := range []step{{last, 1, false}, {last + 1, 1, true}, {last + 1, 1, false}, {last + 3, 1, true}} {
			if got := next.passes(t, place(n), s.offset, s.distance); got != s.passes {
				t.Fatalf("place %d, offset %d after %d: passes %v", n, s.offset, last, got)
			}
		}
	}
	next.counts(t, 100, 50, 49*4, 0)
	// Places that have not come again are handed on.
	idle := newGate(t, next.AppendState(nil))
	idle.passes(t, place(3), 9_999, unknown)
	if newGate(t, idle.AppendState(nil)).passes(t, place(40), 40_003, 1) {
		t.Error("an idle place was forgotten")
	}
}

// TestGateStateBytes pins the layout: states outlive programs.
func TestGateStateBytes(t *testing.T) {
	g := newGate(t, nil)
	g.passes(t, [7]byte{1, 2, 3, 4, 5, 6, 7}, 0x0a0b0c0d0e0f, 1)
	g.passes(t, [7]byte{0, 0, 0, 0, 0, 0, 7}, 1<<48, 1)
	want := []byte{1, 2, 3, 4, 5, 6, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if got := g.AppendState(nil); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// TestGateHighOffset: of an offset too high for the state the next Gate drops less, never what is beyond it.
func TestGateHighOffset(t *testing.T) {
	for _, highest := range []uint64{1<<48 - 2, 1<<48 - 1, 1 << 48, 1<<48 + 5, 1 << 63, math.MaxUint64 - 1} {
		g := newGate(t, nil)
		g.passes(t, [7]byte{1}, highest, unknown)
		next := newGate(t, g.AppendState(nil))
		if next.passes(t, [7]byte{1}, min(highest, 1<<48-1), unknown) || !next.passes(t, [7]byte{1}, highest+1, unknown) {
			t.Errorf("after %d", highest)
		}
	}
}

// TestGateTwins: places that a state cannot tell apart lose nothing to each other.
func TestGateTwins(t *testing.T) {
	a, b, c := [7]byte{1, 1, 1, 1, 1, 1, 1}, [7]byte{1, 1, 1, 1, 1, 1, 2}, [7]byte{1, 1, 1, 1, 1, 1, 3}

	t.Run("in one run", func(t *testing.T) {
		g := newGate(t, nil)
		for i, s := range []struct {
			place [7]byte
			step
		}{{a, step{100, 1, true}}, {b, step{50, 1, true}}, {a, step{100, 1, false}}, {b, step{51, 1, true}}, {b, step{51, 1, false}}, {a, step{101, 1, true}}} {
			if got := g.passes(t, s.place, s.offset, s.distance); got != s.passes {
				t.Errorf("step %d: passes %v", i, got)
			}
		}
	})
	t.Run("one in the state", func(t *testing.T) {
		g := newGate(t, nil)
		g.passes(t, a, 100, 1)
		next := newGate(t, g.AppendState(nil))
		if next.passes(t, a, 100, 1) {
			t.Error("a duplicate passed")
		}
		for offset := range uint64(200) {
			if !next.passes(t, b, offset, unknown) {
				t.Fatalf("offset %d of the new place was dropped", offset)
			}
		}
	})
	t.Run("both in the state", func(t *testing.T) {
		for _, order := range [][2][7]byte{{a, b}, {b, a}} {
			g := newGate(t, nil)
			for _, place := range order {
				g.passes(t, place, map[[7]byte]uint64{a: 100, b: 50}[place], 1)
			}
			for _, order := range [][2][7]byte{{a, b}, {b, a}} {
				next := newGate(t, g.AppendState(nil))
				for _, place := range order {
					if !next.passes(t, place, map[[7]byte]uint64{a: 101, b: 51}[place], 1) {
						t.Fatalf("%x: a new message was dropped", place)
					}
				}
				if !next.passes(t, c, 1, 1) {
					t.Error("a third place was taken for one of them")
				}
			}
		}
	})
	t.Run("4 bytes alike", func(t *testing.T) { // what a shorter prefix would confuse
		p, q := [7]byte{9, 9, 9, 9, 9, 1}, [7]byte{9, 9, 9, 9, 9, 2}
		g := newGate(t, nil)
		g.passes(t, p, 100, 1)
		if next := newGate(t, g.AppendState(nil)); !next.passes(t, q, 5, 1) || next.passes(t, p, 100, 1) {
			t.Error("confused")
		}
	})
}

func TestGateBadState(t *testing.T) {
	for _, n := range []int{1, entrySize - 1, entrySize + 1, 2*entrySize - 1, (maxOrdered + 1) * entrySize, maxOrdered*entrySize + 1} {
		if _, err := transform.NewGate(make([]byte, n), true, new(transform.GateStats)); err == nil {
			t.Errorf("a state of %d bytes was taken", n)
		}
	}
	for _, state := range [][]byte{nil, {}, make([]byte, entrySize), make([]byte, maxOrdered*entrySize)} {
		newGate(t, state)
	}
}

// TestGateNoAllocations: neither messages nor states of known places cost memory.
func TestGateNoAllocations(t *testing.T) {
	g := newGate(t, nil)
	var state []byte
	var offset uint64
	messages := []*pipeline.Message{marked(place(1), 0, 1), marked(place(2), 0, 1), marked(place(3), 0, 0)}
	if allocs := testing.AllocsPerRun(100, func() {
		offset++
		for _, m := range messages {
			binary.BigEndian.PutUint64(m.Mark[7:], offset)
			if g.Admit(m) != nil {
				t.Fatal("dropped")
			}
		}
		state = g.AppendState(state[:0])
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// TestGateBehindAnUnorderedSource: what comes again after later messages is written, once.
func TestGateBehindAnUnorderedSource(t *testing.T) {
	stats := new(transform.GateStats)
	g, err := transform.NewGate(nil, false, stats)
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, offset := range []int{1, 3, 2, 3, 4, 2, 1, 5} { // sealed in order, 2 delivered late
		m := pipeline.Message{}
		m.Mark[0], m.Mark[14], m.Mark[18] = 7, byte(offset), 1
		if err := g.Admit(&m); err == nil {
			got = append(got, offset)
		} else if !errors.Is(err, pipeline.Skip) {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, []int{1, 3, 2, 4, 5}) || stats.Duplicates.Load() != 3 {
		t.Errorf("admitted %v, %d duplicates", got, stats.Duplicates.Load())
	}
}

// TestGateKnowsSubjects: one stored message sealed under two subjects is two messages.
func TestGateKnowsSubjects(t *testing.T) {
	g, err := transform.NewGate(nil, false, new(transform.GateStats))
	if err != nil {
		t.Fatal(err)
	}
	admitted := func(subject string) bool {
		m := pipeline.Message{Subject: []byte(subject)}
		m.Mark[0], m.Mark[14] = 7, 5
		return g.Admit(&m) == nil
	}
	for i, c := range []struct {
		subject string
		want    bool
	}{{"eu.a", true}, {"us.a", true}, {"us.a", false}, {"", true}, {"", false}} { // the empty one is a subject too
		if got := admitted(c.subject); got != c.want {
			t.Errorf("%d: %q: %v", i, c.subject, got)
		}
	}
}
