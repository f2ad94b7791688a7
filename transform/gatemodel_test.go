package transform_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// TestGateAgainstHistories: whatever happens to logs, to their sealers and to
// the reader, and whoever puts genuine messages again or forges some, no message
// is dropped that did not come before, and each comes out once. SCHEDULES sets
// how many histories there are, SEED with which one they begin.
func TestGateAgainstHistories(t *testing.T) {
	n, first := readNumber(t, "SCHEDULES", 3000), readNumber(t, "SEED", 0)
	for seed := range uint64(n) {
		checkHistory(t, uint64(first)+seed)
	}
}

func readNumber(t *testing.T, name string, normal int) int {
	text := os.Getenv(name)
	if text == "" {
		return normal
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func checkHistory(t *testing.T, seed uint64) {
	w := newWorld(rand.New(rand.NewPCG(seed, 5)))
	steps := 30 + w.rnd.IntN(90)
	if w.byKey { // as many messages as a state has runs
		steps = 30 + w.rnd.IntN(40)
	}
	if w.long {
		steps = 1500
	}
	for range steps {
		w.step()
	}
	w.finish()
	for p := range w.readers {
		r := newReader(t, seed, w, p)
		r.read(w.sealed[p])
		r.checkOutput(w.sealed[p])
	}
}

// reader decrypts one sealed partition. Its output, its position and the state
// of its Gate are one transaction, or the output comes first.
type reader struct {
	t    *testing.T
	seed uint64
	*world
	partition int
	gate      gate
	out       []int       // originals in their order
	may       map[int]int // how often an original may come too often
	saved     struct {
		state    []byte
		out      int
		position int
	}
}

func newReader(t *testing.T, seed uint64, w *world, partition int) *reader {
	r := &reader{t: t, seed: seed, world: w, partition: partition, may: map[int]int{}}
	r.restoreGate(nil)
	return r
}

func (r *reader) restoreGate(state []byte) {
	r.gate = newGate(r.t, state, func(o *transform.GateOptions) {
		if !r.rising {
			o.Partition = r.partition
		}
	})
}

// read reads the copies, and sometimes dies between two of them.
func (r *reader) read(copies []sealed) {
	if !r.rising && r.rnd.IntN(3) == 0 { // somebody has reordered all of it
		from := r.rnd.IntN(len(copies) + 1)
		copies = slices.Concat(copies[from:], copies[:from])
	}
	for i := 0; i < len(copies); i++ {
		if r.rnd.IntN(10) == 0 {
			r.forge(&copies[i])
		}
		r.admit(&copies[i])
		switch r.rnd.IntN(20) {
		case 0, 1:
			r.saved.state, r.saved.out, r.saved.position = r.gate.AppendState(nil), len(r.out), i+1
		case 2:
			if !r.long && r.rnd.IntN(2) == 0 {
				r.restart()
				i = r.saved.position - 1
			}
		}
	}
}

// restart has the reader go on from what it has committed. An output that is not
// one with the position keeps what it has, so that comes again. Windows are not
// part of the state: messages without an order may come again.
func (r *reader) restart() {
	if r.commits {
		for _, original := range r.out[r.saved.out:] {
			r.may[original]++
		}
	} else {
		r.out = r.out[:r.saved.out]
	}
	if r.shared {
		for _, original := range r.out {
			r.may[original] = 1 << 20
		}
	}
	r.saved.out = len(r.out)
	r.restoreGate(r.saved.state)
}

// admit has the Gate judge a copy.
func (r *reader) admit(c *sealed) {
	before := r.gate.stats.Unplaced.Load()
	got := r.gate.says(r.t, c.at)
	isForeign := !c.moved && int(c.partition) != r.partition
	switch {
	case isForeign && got == string(pipeline.ReasonForeignRecord):
	case isForeign || got != "" && got != "skip":
		r.fail(c, "the Gate says "+strconv.Quote(got))
	case c.source == 0 && (got != "" || r.gate.stats.Unplaced.Load() != before+1):
		r.fail(c, "it has no place, and is not only counted")
	case got == "":
		r.out = append(r.out, c.original)
	case c.stranger:
		r.fail(c, "it is dropped, and nobody vouches for it")
	case !slices.Contains(r.out, c.original):
		r.fail(c, "it is dropped, and never came")
	}
}

// forge has somebody who has only a public key forge a message before a genuine
// one: of any offset, or of exactly that one and all before it.
func (r *reader) forge(c *sealed) {
	forged := c.at
	forged.stranger = true
	if r.rnd.IntN(2) == 0 {
		forged.offset, forged.distance = r.rnd.Uint64N(1<<48), uint32(r.rnd.IntN(1<<24))
		forged.term = c.term + 1 + r.rnd.Uint64N(1<<39)
	} else {
		forged.distance = uint32(min(c.offset+1, 1<<24-2))
	}
	if forged.partition = uint16(r.partition); c.source == 0 {
		forged = at{stranger: true, moved: true}
	}
	if got := r.gate.says(r.t, forged); got != "" {
		r.fail(c, "a forged message: "+got)
	}
}

// checkOutput checks that each original came once.
func (r *reader) checkOutput(copies []sealed) {
	times := map[int]int{}
	for _, original := range r.out {
		times[original]++
	}
	for i := range copies {
		c := &copies[i]
		switch n := times[c.original]; {
		case !c.moved && int(c.partition) != r.partition:
		case n == 0:
			r.fail(c, "it did not come")
		case n > 1+r.may[c.original] && c.source != 0 && !c.stranger && !r.isWrittenOver(c, copies) && !r.isCrowded(copies):
			r.fail(c, fmt.Sprintf("it came %d times", n))
		}
	}
}

// isWrittenOver tells whether a message that only a window may know has an
// offset that was written over. Of the two the window knows the one that came
// last.
func (r *reader) isWrittenOver(c *sealed, copies []sealed) bool {
	return (r.shared || r.long) && slices.ContainsFunc(copies, func(o sealed) bool {
		return o.source == c.source && o.offset == c.offset && o.term != c.term
	})
}

// isCrowded tells whether there are more places than windows, half of which
// those may have that somebody forges. Then only runs are known, as many as
// there is room for.
func (r *reader) isCrowded(copies []sealed) bool {
	type place struct {
		source    byte
		partition uint16
	}
	places := map[place]bool{}
	for i := range copies {
		places[place{copies[i].source, copies[i].partition}] = true
	}
	return r.long && len(places) > 16
}

func (r *reader) fail(c *sealed, what string) {
	r.t.Helper()
	r.t.Fatalf("seed %d, %+v, reader %d: %+v: %s", r.seed, r.traits, r.partition, *c, what)
}

// FuzzGate: whatever states and marks say, a Gate answers, its state stays
// within its bounds and is one, and the first message of a place passes.
func FuzzGate(f *testing.F) {
	f.Add([]byte(nil), make([]byte, 32))
	one := marked(at{source: 1, offset: 5, distance: 1}).Mark
	two := marked(at{source: 1, offset: 5, distance: unknown, rising: true, term: 7}).Mark
	f.Add([]byte{1, 1, 0, 0}, one[:])
	f.Add([]byte{1}, append(one[:], two[:]...))
	f.Fuzz(func(t *testing.T, state, marks []byte) {
		stats := new(transform.GateStats)
		g, err := transform.NewGate(state, transform.GateOptions{Stats: stats, Partition: -1})
		if err != nil && len(g.AppendState(nil)) != 0 {
			t.Fatal("something of a state that is none")
		}
		if err == nil && len(state) > 0 {
			written := g.AppendState(nil)
			again, err := transform.NewGate(written, transform.GateOptions{Stats: stats, Partition: -1})
			if err != nil || string(again.AppendState(nil)) != string(written) {
				t.Fatal(err)
			}
		}
		seen := map[string]bool{}
		for ; len(marks) >= 32; marks = marks[32:] {
			m := marked(at{})
			copy(m.Mark[:], marks)
			m.Mark[8], m.Mark[9], m.Mark[10] = 0, 0, 0 // as an envelope can say
			m.Mark[16], m.Mark[17], m.Mark[24] = 0, 0, 0
			place := fmt.Sprintf("%x %v", m.Mark[1:8], m.Mark[0]&4)
			if err := g.Admit(m); err != nil && len(state) == 0 && !seen[place] {
				t.Fatalf("the first message of %s: %v", place, err)
			}
			seen[place] = true
		}
		out := g.AppendState(nil)
		if _, err := transform.NewGate(out, transform.GateOptions{Stats: stats, Partition: -1}); err != nil || len(out) > maxState {
			t.Fatalf("a state of %d bytes: %v", len(out), err)
		}
	})
}
