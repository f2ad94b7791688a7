package proof

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// world is both sides of a comparison.
type world struct {
	plain, sealed []Record // in the order in which they are stored
	sealedPlaces  int
	compacted     bool   // the plain side
	thinned       bool   // the sealed side
	whole         string // a place of the sealed side that is not compacted
}

var testSource = [5]byte{1, 2, 3, 4, 5}

func newRecord(partition uint16, offset int64, content, key uint64) Record {
	r := Record{
		Place: fmt.Sprintf("plain/%d", partition), Offset: offset, Placed: true, Bytes: 10, Key: key,
		At: Position{PlaceID: PlaceID{testSource, partition}, Offset: offset, Term: 7},
	}
	binary.BigEndian.PutUint64(r.Digest[:], content)
	binary.BigEndian.PutUint64(r.Digest[24:], uint64(offset))
	return r
}

// newWorld makes two sides that are alike: places with gaps, read in turn.
func newWorld(rnd *rand.Rand, places, records int) *world {
	w := &world{sealedPlaces: places}
	next := make([]int64, places)
	for i := range next {
		next[i] = rnd.Int64N(100)
	}
	for range records {
		p := rnd.IntN(places)
		r := newRecord(uint16(p), next[p], rnd.Uint64(), uint64(rnd.IntN(20)))
		next[p] += 1 + rnd.Int64N(2)*rnd.Int64N(5)
		w.plain = append(w.plain, r)
	}
	w.seal()
	return w
}

// seal makes the sealed side of the plain one.
func (w *world) seal() {
	w.sealed = nil
	next := map[int]int64{}
	for _, r := range w.plain {
		p := int(r.At.Partition) % w.sealedPlaces
		r.Place, r.Offset = fmt.Sprintf("sealed/%d", p), next[p]
		next[p]++
		w.sealed = append(w.sealed, r)
	}
}

func isTestSource(s [5]byte) bool { return s == testSource }

// compare feeds both sides at once, in batches, pass by pass.
func (w *world) compare(t *testing.T, o Options) *Report {
	t.Helper()
	o.IsOwn = isTestSource
	c := New(o)
	if w.thinned {
		c.KeepKeys()
	}
	ends := map[uint16]int64{}
	for _, r := range w.plain {
		ends[r.At.Partition] = r.Offset + 1
	}
	for p, end := range ends {
		must(t, c.NamePlain(PlaceID{testSource, p}, fmt.Sprintf("plain/%d", p), end, w.compacted))
	}
	for more := true; more; {
		for _, r := range w.sealed {
			c.NameSealed(r.Place, r.Offset+1, w.thinned && r.Place != w.whole)
		}
		var both sync.WaitGroup
		both.Go(func() {
			defer c.EndPlain()
			for batch := range slices.Chunk(w.plain, 64) {
				if err := c.AddPlain(t.Context(), batch); err != nil {
					t.Error(err)
				}
			}
		})
		both.Go(func() {
			defer c.EndSealed()
			for batch := range slices.Chunk(slices.Clone(w.sealed), 64) {
				if err := c.AddSealed(t.Context(), batch); err != nil {
					t.Error(err)
				}
			}
		})
		both.Wait()
		again, err := c.NeedsKeys()
		must(t, err)
		if again {
			c.AddKeys(w.sealed)
		}
		more = c.FinishPass()
	}
	return c.Report()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// findingsOf returns the counts of all findings.
func findingsOf(r *Report) (n [findings]int64) {
	for f := range Finding(findings) {
		n[f] = *r.Counts.countOf(f)
	}
	return n
}

// TestAlike: two sides that are alike have no findings, in any number of
// passes, and the sums of their digests are equal.
func TestAlike(t *testing.T) {
	for _, passes := range []int{1, 2, 7} {
		for _, sealedPlaces := range []int{4, 1} {
			rnd := rand.New(rand.NewPCG(1, uint64(passes)))
			w := newWorld(rnd, 4, 5_000)
			w.sealedPlaces = sealedPlaces
			w.seal()
			r := w.compare(t, Options{Passes: passes, Digests: true})
			if !r.Identical || r.Counts.Matched != 5_000 || findingsOf(r) != [findings]int64{} || len(r.Places) != 4 {
				t.Errorf("%d passes: %+v", passes, r.Counts)
			}
			for _, p := range r.Places {
				if p.PlainHMAC != p.SealedHMAC || p.PlainRecords == 0 || len(p.PlainHMAC) != 64 {
					t.Errorf("%d passes: %+v", passes, p)
				}
			}
		}
	}
}

// mutation changes one record of a world, and says which findings that makes.
// Records that were changed before are not touched.
type mutation struct {
	name string
	do   func(w *world, at int) (found map[Finding]int64)
}

func mutations() []mutation {
	return []mutation{
		{"drop an envelope", func(w *world, at int) map[Finding]int64 {
			w.sealed = slices.Delete(w.sealed, at, at+1)
			return map[Finding]int64{Missing: 1}
		}},
		{"duplicate an envelope", func(w *world, at int) map[Finding]int64 {
			w.sealed = slices.Insert(w.sealed, at+1, w.sealed[at])
			return map[Finding]int64{Duplicate: 1}
		}},
		{"replay an envelope at the end", func(w *world, at int) map[Finding]int64 {
			w.sealed = append(w.sealed, w.sealed[at])
			return map[Finding]int64{Duplicate: 1}
		}},
		{"alter the content", func(w *world, at int) map[Finding]int64 {
			w.sealed[at].Digest[3] ^= 1
			return map[Finding]int64{Different: 1}
		}},
		{"break an envelope", func(w *world, at int) map[Finding]int64 {
			w.sealed[at].Refused = "tampered"
			return map[Finding]int64{Undecryptable: 1}
		}},
		{"break an envelope beyond recognition", func(w *world, at int) map[Finding]int64 {
			w.sealed[at].Refused, w.sealed[at].Placed = "not-an-envelope", false
			return map[Finding]int64{Undecryptable: 1, Missing: 1}
		}},
		{"an envelope without a position", func(w *world, at int) map[Finding]int64 {
			w.sealed = slices.Insert(w.sealed, at, w.sealed[at])
			w.sealed[at].Placed = false
			return map[Finding]int64{Unplaced: 1}
		}},
		{"a foreign envelope", func(w *world, at int) map[Finding]int64 {
			w.sealed = slices.Insert(w.sealed, at, w.sealed[at])
			w.sealed[at].At.Source = [5]byte{9, 9, 9, 9, 9}
			return map[Finding]int64{Extra: 1}
		}},
		{"drop a record of the plain side", func(w *world, at int) map[Finding]int64 {
			want := w.sealed[at].At
			w.plain = slices.DeleteFunc(w.plain, func(r Record) bool { return r.At == want })
			return map[Finding]int64{Extra: 1}
		}},
		{"a log that was cut", func(w *world, at int) map[Finding]int64 {
			w.sealed = slices.Insert(w.sealed, at, w.sealed[at])
			w.sealed[at].At.Term--
			w.sealed[at].Digest[3] ^= 1
			return map[Finding]int64{Unverifiable: 1}
		}},
	}
}

// TestMutations: random changes, each of another record, are found exactly, in
// any number of passes and whichever side is ahead.
func TestMutations(t *testing.T) {
	for seed := range uint64(24) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		w := newWorld(rnd, 3, 3000)
		if seed%3 == 0 {
			w.sealedPlaces = 1
			w.seal()
		}
		var want [findings]int64
		var done []string
		// From the end to the start: what lies in front keeps its index. The
		// first and the last records of places stay, since a plain side that
		// begins later has lost its plaintext.
		for at := 2800; at > 200; at -= 20 + rnd.IntN(200) {
			all := mutations()
			m := all[rnd.IntN(len(all))]
			for f, n := range m.do(w, at) {
				want[f] += n
			}
			done = append(done, m.name)
		}
		r := w.compare(t, Options{Passes: 1 + int(seed%4)})
		if got := findingsOf(r); got != want {
			t.Errorf("seed %d: got %v, want %v after %v", seed, got, want, done)
		}
		if r.Identical {
			t.Errorf("seed %d: identical after %v", seed, done)
		}
	}
}

// TestOrigins: a finding has the first few origins, by their offsets.
func TestOrigins(t *testing.T) {
	w := newWorld(rand.New(rand.NewPCG(3, 3)), 1, 100)
	var want []Origin
	for _, at := range []int{90, 70, 60, 50, 40, 30, 20} {
		want = append(want, Origin{Place: "plain/0", Offset: w.sealed[at].At.Offset})
		w.sealed = slices.Delete(w.sealed, at, at+1)
	}
	slices.Reverse(want)
	r := w.compare(t, Options{})
	if got := r.Places[0].Origins["missing"]; !slices.Equal(got, want[:maxOrigins]) {
		t.Errorf("got %v, want %v", got, want)
	}
	if r.Counts.Missing != 7 || r.Counts.MissingAtEnd != 0 {
		t.Errorf("%+v", r.Counts)
	}
}

// TestSwapped: two envelopes that changed places are one that is late.
func TestSwapped(t *testing.T) {
	w := newWorld(rand.New(rand.NewPCG(4, 4)), 1, 100)
	w.sealed[50], w.sealed[51] = w.sealed[51], w.sealed[50]
	if r := w.compare(t, Options{}); r.Counts.Reordered != 1 || r.Counts.Matched != 100 || r.Identical {
		t.Errorf("%+v", r.Counts)
	}
}

// TestPurged: where the plain side begins later, envelopes from before cannot
// be verified, and that is no difference as long as something else is there.
func TestPurged(t *testing.T) {
	w := newWorld(rand.New(rand.NewPCG(5, 5)), 1, 100)
	w.plain = w.plain[40:]
	r := w.compare(t, Options{})
	if r.Counts.Unverifiable != 40 || r.Counts.Matched != 60 || !r.Identical {
		t.Errorf("%+v", r.Counts)
	}
	c := New(Options{IsOwn: isTestSource})
	must(t, c.NamePlain(PlaceID{testSource, 0}, "plain/0", 1000, false))
	c.EndPlain()
	must(t, c.AddSealed(t.Context(), w.sealed))
	c.FinishPass()
	if r := c.Report(); r.Counts.Unverifiable != 100 || r.Identical {
		t.Errorf("all plaintext is gone: %+v", r.Counts)
	}
}

// TestMissingAtEnd: records behind the last envelope are told apart.
func TestMissingAtEnd(t *testing.T) {
	w := newWorld(rand.New(rand.NewPCG(6, 6)), 1, 100)
	w.sealed = w.sealed[:90]
	if r := w.compare(t, Options{}); r.Counts.Missing != 10 || r.Counts.MissingAtEnd != 10 || r.Identical {
		t.Errorf("%+v", r.Counts)
	}
}

// compact keeps the last record of each key, as a broker does.
func compact(records []Record) []Record {
	type id struct {
		place string
		key   uint64
	}
	last := map[id]int{}
	for i, r := range records {
		last[id{r.Place, r.Key}] = i
	}
	var kept []Record
	for i, r := range records {
		if last[id{r.Place, r.Key}] == i {
			kept = append(kept, r)
		}
	}
	return kept
}

// TestCompacted: a record that compaction has taken away is not missing. One
// that is the last of its key is, in any number of passes.
func TestCompacted(t *testing.T) {
	for passes := 1; passes < 4; passes++ {
		w := newWorld(rand.New(rand.NewPCG(7, 7)), 2, 1000)
		w.thinned = true
		w.sealed = compact(w.sealed)
		n := len(w.sealed)
		r := w.compare(t, Options{Passes: passes})
		if !r.Identical || r.Counts.Superseded != int64(1000-n) {
			t.Errorf("%+v", r.Counts)
		}
		// All envelopes of one key are gone, and so is its last record.
		w.sealed = slices.Delete(w.sealed, 3, 4)
		r = w.compare(t, Options{Passes: passes})
		if r.Identical || r.Counts.Missing == 0 {
			t.Errorf("the last envelope of a key is missing: %+v", r.Counts)
		}
		// The plain side is compacted, and the sealed one is not yet.
		w = newWorld(rand.New(rand.NewPCG(7, 7)), 2, 1000)
		w.compacted = true
		w.plain = compact(w.plain)
		if r := w.compare(t, Options{Passes: passes}); !r.Identical || r.Counts.Unverifiable != int64(1000-n) {
			t.Errorf("%+v", r.Counts)
		}
	}
}

// TestCompactedBesideAnother: a place that is not compacted excuses nothing,
// whatever another one does.
func TestCompactedBesideAnother(t *testing.T) {
	w := newWorld(rand.New(rand.NewPCG(7, 7)), 2, 1000)
	w.thinned, w.whole = true, w.sealed[0].Place
	last := slices.IndexFunc(w.sealed, func(r Record) bool { return r.Place == w.whole })
	w.sealed = slices.Delete(w.sealed, last, last+1) // its key comes again
	if r := w.compare(t, Options{}); r.Identical || r.Counts.Missing != 1 || r.Counts.Superseded != 0 {
		t.Errorf("%+v", r.Counts)
	}
}

// TestExpiredTombstones: a tombstone may be gone together with all that it
// deleted, and not before.
func TestExpiredTombstones(t *testing.T) {
	w := &world{sealedPlaces: 1, thinned: true}
	for offset := range int64(4) {
		w.plain = append(w.plain, newRecord(0, offset, uint64(offset), uint64(offset%2)))
	}
	w.plain[2].Tombstone = true // of key 0
	w.seal()
	all := w.sealed
	w.sealed = []Record{all[3]}
	if r := w.compare(t, Options{}); !r.Identical || r.Counts.Superseded != 3 {
		t.Errorf("%+v", r.Counts)
	}
	w.sealed = []Record{all[0], all[3]}
	if r := w.compare(t, Options{}); r.Counts.Missing != 1 {
		t.Errorf("the tombstone of a key that is still there: %+v", r.Counts)
	}
}

// TestMemory: records that find no counterpart stay within the memory, and more
// passes need less of it.
func TestMemory(t *testing.T) {
	w := newWorld(rand.New(rand.NewPCG(8, 8)), 1, 20_000)
	c := New(Options{IsOwn: isTestSource, Memory: 1 << 18})
	c.EndSealed()
	var err error
	for batch := range slices.Chunk(w.plain, 1000) {
		if err = c.AddPlain(t.Context(), batch); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrMemory) {
		t.Fatalf("got %v", err)
	}
	w.sealed = nil
	if r := w.compare(t, Options{Passes: 16, Memory: 1 << 18}); r.Counts.Missing != 20_000 {
		t.Errorf("%+v", r.Counts)
	}
}

// TestPace: a side that is far ahead waits for the other one, and goes on when
// its context ends or the other side has ended.
func TestPace(t *testing.T) {
	w := newWorld(rand.New(rand.NewPCG(9, 9)), 1, 3*window)
	c := New(Options{IsOwn: isTestSource})
	must(t, c.AddPlain(t.Context(), w.plain[:2*window]))
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	cancel(stop)
	if err := c.AddPlain(ctx, w.plain[2*window:]); !errors.Is(err, stop) {
		t.Fatalf("got %v", err)
	}
	var waiting sync.WaitGroup
	waiting.Go(func() { must(t, c.AddPlain(t.Context(), w.plain[2*window:])) })
	must(t, c.AddSealed(t.Context(), slices.Clone(w.sealed)))
	waiting.Wait()
	c.FinishPass()
	if r := c.Report(); !r.Identical || r.Counts.Matched != 3*window {
		t.Errorf("%+v", r.Counts)
	}
}

// TestOrder: a plain side that is not in order is no plain side.
func TestOrder(t *testing.T) {
	w := newWorld(rand.New(rand.NewPCG(10, 10)), 1, 10)
	c := New(Options{IsOwn: isTestSource})
	w.plain[4], w.plain[5] = w.plain[5], w.plain[4]
	if err := c.AddPlain(t.Context(), w.plain); !errors.Is(err, ErrOrder) {
		t.Errorf("got %v", err)
	}
}
