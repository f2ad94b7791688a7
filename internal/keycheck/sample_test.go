package keycheck

import (
	"context"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// spread makes a place of n messages at increasing offsets with gaps, readable
// where is says so.
func spread(t *testing.T, random *rand.Rand, n int, good, bad []byte, is func(i int) bool) *source {
	t.Helper()
	s := &source{name: "p", first: random.Int64N(1000)}
	at := s.first + random.Int64N(3)
	for i := range n {
		m := pipeline.Message{Value: bad, Origin: pipeline.Origin{Place: "p", Offset: at, Previous: -1}}
		if is(i) {
			m.Value = good
		}
		s.msgs = append(s.msgs, m)
		at += 1 + random.Int64N(4)
		if random.IntN(50) == 0 {
			at += random.Int64N(5000) // compacted
		}
	}
	s.end = at + random.Int64N(40) // control records
	return s
}

// TestSearch finds the first readable message exactly, in places of all shapes,
// and with few reads.
func TestSearch(t *testing.T) {
	k, lost := newKEK(t), newKEK(t)
	good, bad := seal(t, window(t, nil, k), 1), seal(t, window(t, nil, lost), 1)
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		n := 1 + random.IntN(300)
		boundary := random.IntN(n + 1)
		s := spread(t, random, n, good, bad, func(i int) bool { return i >= boundary })
		c := newChecker(t, Options{}, k)
		samples := 2 + random.IntN(10)
		must(t, c.Sample(t.Context(), s, samples))
		r := c.Report()
		p := r.Places[0]
		switch {
		case !r.Sampled || !p.Contiguous():
			t.Fatalf("%+v", r)
		case boundary == n:
			if p.FirstReadable != nil || p.From != nil {
				t.Fatalf("nothing is readable: %+v", p)
			}
		case p.FirstReadable == nil || *p.FirstReadable != s.msgs[boundary].Origin.Offset || *p.From != *p.FirstReadable:
			t.Fatalf("got %+v, want %d", p, s.msgs[boundary].Origin.Offset)
		}
		if most := samples + 5*bits.Len64(uint64(s.end-s.first)) + 5; s.peeks > most {
			t.Fatalf("%d reads for %d messages over %d offsets", s.peeks, n, s.end-s.first)
		}
		if r.Envelopes > int64(n) {
			t.Fatalf("%d envelopes of %d", r.Envelopes, n)
		}
	}
}

// TestLastMessage: the last message is found however many offsets behind it are
// empty, and be it the only one that can be read.
func TestLastMessage(t *testing.T) {
	k, lost := newKEK(t), newKEK(t)
	good, bad := seal(t, window(t, nil, k), 1), seal(t, window(t, nil, lost), 1)
	for n := 1; n <= 20; n++ {
		for empty := range 40 {
			s := spread(t, rand.New(rand.NewPCG(1, 2)), n, good, bad, func(i int) bool { return i == n-1 })
			for i := range s.msgs {
				s.msgs[i].Origin.Offset = int64(i)
			}
			s.first, s.end = 0, int64(n+empty)
			c := newChecker(t, Options{}, k)
			must(t, c.Sample(t.Context(), s, 2))
			if p := c.Report().Places[0]; p.FirstReadable == nil || *p.FirstReadable != int64(n-1) {
				t.Fatalf("%d messages, %d empty offsets: %+v", n, empty, p)
			}
		}
	}
}

// TestNotContiguous has keys in use side by side: two encryptors while one of
// them was replaced, and a window in the middle.
func TestNotContiguous(t *testing.T) {
	k, lost := newKEK(t), newKEK(t)
	good, bad := seal(t, window(t, nil, k), 1), seal(t, window(t, nil, lost), 1)
	for _, c := range []struct {
		name  string
		is    func(i int) bool
		exact bool // the sample shows every change
	}{
		{"side by side", func(i int) bool { return i > 480 && i%2 == 0 || i > 520 }, false},
		{"a bit is missing at the change", func(i int) bool { return i > 500 && i != 502 }, true},
		{"in the middle", func(i int) bool { return i < 300 || i > 700 }, true},
		{"not at the end", func(i int) bool { return i > 300 && i < 700 }, true},
		{"from the beginning", func(i int) bool { return i < 900 }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := spread(t, rand.New(rand.NewPCG(3, 4)), 1001, good, bad, c.is)
			checker := newChecker(t, Options{}, k)
			must(t, checker.Sample(t.Context(), s, 201))
			got := checker.Report().Places[0]
			all := scan(t, newChecker(t, Options{}, k), s).Places[0]
			if got.Contiguous() != all.Contiguous() || *got.FirstReadable < *all.FirstReadable {
				t.Errorf("a sample says %+v, all of it %+v", got, all)
			}
			if !c.exact {
				return
			}
			if *got.FirstReadable != *all.FirstReadable || (got.From == nil) != (all.From == nil) || got.From != nil && *got.From != *all.From {
				t.Errorf("a sample says %+v, all of it %+v", got, all)
			}
		})
	}
}

func TestSampleOfNothing(t *testing.T) {
	c := newChecker(t, Options{}, newKEK(t))
	must(t, c.Sample(t.Context(), &source{name: "empty", first: 7, end: 7}, 5))
	must(t, c.Sample(t.Context(), &source{name: "gaps only", first: 7, end: 70}, 5))
	if r := c.Report(); r.Envelopes != 0 || !r.AllReadable() || len(r.Places) != 2 {
		t.Errorf("%+v", r)
	}
}

// TestSampleEnds looks at the whole when there is less than was asked for.
func TestSampleEnds(t *testing.T) {
	k := newKEK(t)
	w := window(t, nil, k)
	s := place("p", seal(t, w, 1), seal(t, w, 1), []byte("plain"), seal(t, w, 1))
	c := newChecker(t, Options{}, k)
	must(t, c.Sample(t.Context(), s, 100))
	r := c.Report()
	if p := r.Places[0]; r.Envelopes != 3 || p.First != 0 || p.Last != 3 || p.Changes != 2 || *p.From != 3 || *p.FirstReadable != 0 {
		t.Errorf("%+v", p)
	}
}

type failing struct{ *source }

func (failing) Peek(context.Context, int64) (pipeline.Message, error) {
	return pipeline.Message{}, context.Canceled
}

func TestSampleFails(t *testing.T) {
	if err := newChecker(t, Options{}).Sample(t.Context(), failing{&source{end: 5}}, 5); err == nil {
		t.Error("no error")
	}
}
