package transform_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/docs/vectors"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

const (
	windowWidth = 1 << 16
	maxState    = 3072
)

// gate is a Gate under test with its counters.
type gate struct {
	*transform.Gate
	stats   *transform.GateStats
	subject []byte // of the messages
}

func newGate(t testing.TB, state []byte, options ...func(*transform.GateOptions)) gate {
	t.Helper()
	g := gate{stats: new(transform.GateStats)}
	o := transform.GateOptions{Stats: g.stats, Partition: -1}
	for _, option := range options {
		option(&o)
	}
	var err error
	if g.Gate, err = transform.NewGate(state, o); err != nil {
		t.Fatal(err)
	}
	return g
}

// says returns the Gate's word for a message: "" if it passes, skip, or the
// reason of a reject.
func (g gate) says(t testing.TB, a at) string {
	t.Helper()
	m := marked(a)
	m.Subject = g.subject
	before := *m
	err := g.Admit(m)
	if !sameMessage(m, &before) || m.Mark != before.Mark {
		t.Fatal("the Gate changed the message")
	}
	var rejected *pipeline.Reject
	switch {
	case err == nil:
		return ""
	case errors.Is(err, pipeline.Skip):
		return "skip"
	case errors.As(err, &rejected):
		return string(rejected.Reason)
	}
	t.Fatal(err)
	return ""
}

// counts are duplicates, gaps and reordered messages.
func (g gate) counts() string {
	return fmt.Sprint(g.stats.Duplicates.Load(), g.stats.Gaps.Load(), g.stats.Reordered.Load())
}

// TestGate: what the Gate says to messages of one place. A step is
// term/offset-distance, and what it says if it does not pass.
func TestGate(t *testing.T) {
	for _, test := range []struct {
		name, steps, counts string
		rising              bool
	}{
		{"contiguous", "0/0-? 0/1-1 0/2-1", "0 0 0", false},
		{"compacted", "0/10-3 0/50-40 0/51-1", "0 0 0", false},
		{"again", "0/5-1 0/5-1=skip 0/6-1 0/5-1=skip 0/6-1=skip 0/7-1", "3 0 0", false},
		{"a gap", "0/5-1 0/7-1 0/8-1 0/20-2", "0 2 0", false},
		{"the last message first", "0/9-1 0/0-? 0/1-1 0/2-1 0/3-1 0/4-1 0/5-1 0/6-1 0/7-1 0/8-1", "0 0 9", false},
		{"late messages are known from then on", "0/5-1 0/9-1 0/7-1 0/7-1=skip 0/6-1 0/8-1 0/8-1=skip 0/10-1", "2 1 3", false},
		{"an unknown distance is a gap", "0/5-? 0/9-? 0/9-?=skip", "1 1 0", false},
		{"the first one's distance is no gap", "0/5-3", "0 0 0", false},
		{"holes that a distance covers are known", "0/9-5 0/6-1=skip", "1 0 0", false},
		{"the largest offset ends nothing", "0/281474976710655-? 0/0-? 0/1-1 0/2-1 0/1-1=skip", "1 0 3", false},
		{"the log is cut and its offsets come again", "1/7-1 1/8-1 1/9-1 2/8-1 2/9-1 2/8-1=skip 1/8-1=skip 2/10-1", "2 0 1", false},
		{"a zombie of the term before", "1/5-1 2/6-1 1/6-1 2/7-1", "0 0 1", false},
		{"terms rise", "10/1-1 20/2-1 30/3-1 20/2-1=skip 30/3-1=skip 10/1-1=skip", "3 0 0", true},
		{"a lost tail is written over", "10/1-1 20/2-1 30/3-1 40/2-1 50/3-1 30/3-1=skip 50/3-1=skip", "2 0 0", true},
		{"of a term in between another offset", "10/1-1 30/3-2 20/2-1=skip", "1 0 0", true},
		{"of a higher term than all", "10/1-1 30/3-2 40/2-1", "0 0 0", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGate(t, nil)
			for i, text := range strings.Fields(test.steps) {
				step, want, _ := strings.Cut(text, "=")
				a := at{source: 1, rising: test.rising}
				step = strings.ReplaceAll(step, "?", fmt.Sprint(uint32(unknown)))
				if _, err := fmt.Sscanf(step, "%d/%d-%d", &a.term, &a.offset, &a.distance); err != nil {
					t.Fatal(err)
				}
				if got := g.says(t, a); got != want {
					t.Errorf("step %d, %s: %q", i, text, got)
				}
				if i%2 == 1 { // a restart changes nothing
					state := g.AppendState(nil)
					g.Gate, _ = transform.NewGate(state, transform.GateOptions{Stats: g.stats, Partition: -1})
				}
			}
			if got := g.counts(); got != test.counts {
				t.Errorf("duplicates, gaps, reordered %s, want %s", got, test.counts)
			}
		})
	}
}

// TestGatePolicy: what becomes of a finding, and that a refused message changes
// nothing.
func TestGatePolicy(t *testing.T) {
	with := func(p transform.Policy) func(*transform.GateOptions) {
		return func(o *transform.GateOptions) { o.Policy, o.Partition = p, 3 }
	}
	first := at{source: 1, partition: 3, offset: 10, distance: 1}
	for name, test := range map[string]struct {
		policy transform.Policy
		then   func(a *at)
		want   string
	}{
		"duplicate":                     {transform.Policy{}, func(a *at) { a.offset = 10 }, "skip"},
		"duplicate among strangers":     {transform.Policy{Duplicate: transform.Refuse}, func(a *at) { a.offset, a.stranger = 10, true }, ""},
		"duplicate of a stranger's key": {transform.Policy{}, func(a *at) { a.offset, a.stranger = 10, true }, ""},
		"duplicate passes":              {transform.Policy{Duplicate: transform.Pass}, func(a *at) { a.offset = 10 }, ""},
		"duplicate is refused":          {transform.Policy{Duplicate: transform.Refuse}, func(a *at) { a.offset = 10 }, "duplicate"},
		"gap":                           {transform.Policy{}, func(a *at) { a.offset = 12 }, ""},
		"gap is refused":                {transform.Policy{Gap: transform.Refuse}, func(a *at) { a.offset = 12 }, "gap"},
		"reordered":                     {transform.Policy{}, func(a *at) { a.offset = 5 }, ""},
		"reordered is refused":          {transform.Policy{Reordered: transform.Refuse}, func(a *at) { a.offset = 5 }, "reordered"},
		"foreign":                       {transform.Policy{}, func(a *at) { a.partition = 4 }, "foreign-record"},
		"foreign passes":                {transform.Policy{Foreign: transform.Pass}, func(a *at) { a.partition = 4 }, ""},
		"partition not kept":            {transform.Policy{}, func(a *at) { a.partition, a.moved = 4, true }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, nil, with(test.policy))
			g.says(t, first)
			before := hex.EncodeToString(g.AppendState(nil))
			a := first
			a.offset = 11
			test.then(&a)
			if got := g.says(t, a); got != test.want {
				t.Errorf("it says %q, want %q", got, test.want)
			}
			changed := before != hex.EncodeToString(g.AppendState(nil))
			if refused := test.want != "" || a.offset == 10 && a.partition == 3; changed == refused {
				t.Errorf("the state has changed: %v", changed)
			}
		})
	}
	g := newGate(t, nil, func(o *transform.GateOptions) { o.Compacted = true })
	if g.says(t, at{source: 1, offset: 1, distance: 1})+g.says(t, at{source: 1, offset: 9, distance: 1}) != "" || g.stats.Gaps.Load() != 0 {
		t.Error("gaps of a compacted place count")
	}
}

// TestGateStrangers: a message that nobody vouches for is compared with its
// like only. It teaches the Gate nothing about genuine ones, nor the state.
func TestGateStrangers(t *testing.T) {
	for name, distance := range map[string]uint32{"ordered": 1, "in windows": 0} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, nil, func(o *transform.GateOptions) { o.Policy.Duplicate = transform.Refuse })
			a := at{source: 1, offset: 10, distance: distance}
			forged := a
			forged.stranger = true
			if distance > 0 { // one message that covers all
				forged.offset, forged.distance = 1000, 1001
			}
			if got := g.says(t, forged); got != "" || len(g.AppendState(nil)) != 0 {
				t.Errorf("a stranger's first: %q, and the state is not empty: %x", got, g.AppendState(nil))
			}
			if got := g.says(t, a); got != "" {
				t.Errorf("genuine behind a forgery: %q", got)
			}
			if a, b := g.says(t, forged), g.says(t, a); a != "duplicate" || b != "duplicate" {
				t.Errorf("again: %q and %q", a, b)
			}
		})
	}
}

// TestGateStrangersWindows: somebody who forges messages of many places takes
// no window away from those that are vouched for.
func TestGateStrangersWindows(t *testing.T) {
	g := newGate(t, nil)
	for p := range uint16(100) {
		if got := g.says(t, at{source: 1, partition: p, offset: 7, stranger: true}); got != "" {
			t.Fatal(got)
		}
	}
	for _, want := range []string{"", "skip"} {
		for p := range uint16(16) {
			if got := g.says(t, at{source: 1, partition: p, offset: 7}); got != want {
				t.Errorf("place %d: %q, want %q", p, got, want)
			}
		}
	}
	if n := g.stats.Untracked.Load(); n != 100-16 {
		t.Errorf("%d are not tracked", n)
	}
}

// TestGateUnordered: without an order only what is in the window is dropped,
// and what is too old to know passes.
func TestGateUnordered(t *testing.T) {
	const w = windowWidth
	for name, steps := range map[string][]int64{ // below zero: dropped
		"in any order":       {5, 3, 9, 4, -3, -5, -9, 6, -6},
		"before the first":   {70_000, 69_999, 70_000 - w + 1, -(70_000 - w + 1), 70_000 - w, 70_000 - w},
		"a slot is reused":   {1, w + 1, -(w + 1), 1, 2, -2, -(w + 1)},
		"far ahead":          {1, 2, 1 << 40, 1<<40 - 1, -(1 << 40), 1, 1},
		"ahead by the width": {5, 5 + w, 5, -(5 + w)},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, nil)
			for _, g.subject = range [][]byte{nil, []byte("a")} { // one does not know of the other
				for i, s := range steps {
					want := ""
					if s < 0 {
						s, want = -s, "skip"
					}
					if got := g.says(t, at{source: 1, offset: uint64(s), rising: true, term: 7}); got != want {
						t.Errorf("subject %q: step %d, %d: %q", g.subject, i, s, got)
					}
				}
			}
			if g.says(t, at{source: 1, offset: uint64(max(steps[0], -steps[0])), rising: true, term: 8}) != "" {
				t.Error("the same offset of another term is dropped")
			}
			if state := g.AppendState(nil); len(state) != 0 {
				t.Errorf("state %x", state)
			}
		})
	}
}

// TestGateScattered: where neighbours go to other partitions, the last offsets
// are known nonetheless, and gaps say nothing.
func TestGateScattered(t *testing.T) {
	g := newGate(t, nil, func(o *transform.GateOptions) { o.Partition = 2 })
	for offset := uint64(0); offset < 40_000; offset += 4 {
		if got := g.says(t, at{source: 1, offset: offset, distance: 1, moved: true}); got != "" {
			t.Fatalf("offset %d: %s", offset, got)
		}
	}
	for offset := uint64(0); offset < 40_000; offset += 4 {
		if got := g.says(t, at{source: 1, offset: offset, distance: 1, moved: true}); got != "skip" {
			t.Fatalf("offset %d again: %q", offset, got)
		}
	}
	if g.counts() != "10000 0 0" || len(g.AppendState(nil)) > maxState {
		t.Errorf("%s, a state of %d bytes", g.counts(), len(g.AppendState(nil)))
	}
}

// TestGateWithoutPlace: messages that say nothing of a source pass, however
// often, and those without an envelope are not even counted.
func TestGateWithoutPlace(t *testing.T) {
	g := newGate(t, nil)
	for range 3 {
		if g.says(t, at{}) != "" || g.Admit(new(pipeline.Message)) != nil {
			t.Error("dropped")
		}
	}
	if g.stats.Unplaced.Load() != 3 || len(g.AppendState(nil)) != 0 {
		t.Errorf("%d unplaced", g.stats.Unplaced.Load())
	}
}

// TestGateMakesRoom: places that come later take the room of all the runs of
// one place but its highest, and none of theirs is forgotten. It is the same
// for the next run.
func TestGateMakesRoom(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		g := newGate(t, nil)
		for i := range uint64(400) {
			g.says(t, at{source: 1, offset: 10 * i, distance: 1})
		}
		if restarts {
			g = newGate(t, g.AppendState(nil))
		}
		last := func(p uint16) at {
			if p == 0 {
				return at{source: 1, offset: 3990, distance: 1}
			}
			return at{source: 1, partition: p, offset: 7, distance: 1}
		}
		for p := range uint16(129) {
			if g.says(t, last(p+1)) != "" {
				t.Fatal("dropped")
			}
		}
		kept := 130 - int(g.stats.Untracked.Load())
		if kept < 120 || len(g.AppendState(nil)) > maxState {
			t.Errorf("restarts %v: %d places, a state of %d bytes", restarts, kept, len(g.AppendState(nil)))
		}
		for p := range uint16(kept) {
			if g.says(t, last(p)) != "skip" {
				t.Fatalf("restarts %v: place %d is forgotten", restarts, p)
			}
		}
	}
}

// TestGateBounds: there is room for so many places, and for so many runs. The
// highest run of a place is never forgotten.
func TestGateBounds(t *testing.T) {
	g := newGate(t, nil)
	for p := range uint16(130) {
		if g.says(t, at{source: 1, partition: p, offset: 7, distance: 1}) != "" {
			t.Fatal("dropped")
		}
	}
	kept := 130 - int(g.stats.Untracked.Load())
	if kept < 120 || len(g.AppendState(nil)) > maxState {
		t.Errorf("%d places, a state of %d bytes", kept, len(g.AppendState(nil)))
	}
	for p := range uint16(kept) {
		if g.says(t, at{source: 1, partition: p, offset: 7, distance: 1}) != "skip" {
			t.Fatalf("place %d is forgotten", p)
		}
	}
	g = newGate(t, nil)
	for i := range uint64(400) {
		g.says(t, at{source: 1, offset: 10 * i, distance: 1})
	}
	runs := 0
	for i := range uint64(400) {
		if g.says(t, at{source: 1, offset: 10 * (399 - i), distance: 1}) != "skip" {
			break
		}
		runs++
	}
	if runs < 175 {
		t.Errorf("%d runs are known", runs)
	}
	for p := range uint16(10) { // room for others is that of the oldest runs
		if g.says(t, at{source: 2, partition: p, offset: 7, distance: 1}) != "" {
			t.Fatal("dropped")
		}
	}
	if g.stats.Untracked.Load() != 0 || g.says(t, at{source: 1, offset: 3990, distance: 1}) != "skip" {
		t.Errorf("%d are not tracked, or the highest is forgotten", g.stats.Untracked.Load())
	}
}

// TestGateStates are the vectors of docs/envelope.md, section 19.
func TestGateStates(t *testing.T) {
	synctest.Test(t, testGateStates) // its clock begins with the year 2000
}

func testGateStates(t *testing.T) {
	all, err := vectors.Numbers()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, v := range all {
		name := v["name"].(string)
		if !strings.HasPrefix(name, "gate-state") {
			continue
		}
		n++
		state, err := hex.DecodeString(v["state"].(string))
		if err != nil {
			t.Fatal(err)
		}
		g, err := transform.NewGate(state, transform.GateOptions{
			Stats: new(transform.GateStats), Partition: -1,
			Breaker: &transform.Breaker{Limit: transform.MaxBreakerLimit, Window: time.Hour},
		})
		places, good := v["places"].([]any)
		if good != (err == nil) && len(state) > 0 { // an empty state is that of a beginning
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := hex.EncodeToString(g.AppendState(nil))
		want := hex.EncodeToString(state)
		for _, more := range []string{"020005ee773a1131", "0900056c61746572"} { // sections of others are not written
			want = strings.TrimSuffix(want, more)
		}
		if !good || len(places) == 0 && !strings.HasPrefix(want, "0103") {
			want = ""
		}
		if got != want {
			t.Errorf("%s: written again it is %s, want %s", name, got, want)
		}
	}
	if n < 20 {
		t.Errorf("%d vectors", n)
	}
}

// BenchmarkGate judges messages in order, of so many places in turns.
func BenchmarkGate(b *testing.B) {
	for _, places := range []int{1, 100, 200} {
		b.Run(fmt.Sprint(places), func(b *testing.B) {
			g := newGate(b, nil)
			msgs := make([]*pipeline.Message, places)
			for i := range msgs {
				msgs[i] = marked(at{source: 1, partition: uint16(i), distance: 1})
			}
			b.ReportAllocs()
			for n := range b.N {
				m := msgs[n%places]
				offset := uint64(n / places)
				for i := range 6 {
					m.Mark[23-i] = byte(offset >> (8 * i))
				}
				if g.Admit(m) != nil {
					b.Fatal("dropped")
				}
			}
		})
	}
}
