package batch

import (
	"fmt"
	"testing"
)

func TestCommitted(t *testing.T) {
	data := func(base int64, producer int64) Info {
		return Info{BaseOffset: base, LastOffset: base + 9, ProducerID: producer, Transactional: true}
	}
	mark := func(base int64, producer int64, m Marker) Info {
		return Info{BaseOffset: base, LastOffset: base, ProducerID: producer, Transactional: true, Marker: m}
	}
	plain := func(base int64) Info { return Info{BaseOffset: base, LastOffset: base + 9, ProducerID: -1} }
	idempotent := func(base int64, producer int64) Info {
		return Info{BaseOffset: base, LastOffset: base + 9, ProducerID: producer}
	}
	tests := map[string]struct {
		aborted []Aborted
		batches []Info
		want    []int64 // base offsets of what is read
	}{
		"nothing aborted": {nil, []Info{data(0, 1), mark(10, 1, Commit), plain(11)}, []int64{0, 11}},
		"aborted":         {[]Aborted{{1, 0}}, []Info{data(0, 1), data(10, 1), mark(20, 1, Abort), data(21, 1), mark(31, 1, Commit)}, []int64{21}},
		"interleaved": {[]Aborted{{1, 0}},
			[]Info{data(0, 1), data(10, 2), data(20, 1), mark(30, 2, Commit), mark(31, 1, Abort), data(32, 1)}, []int64{10, 32}},
		"begins later": {[]Aborted{{1, 20}},
			[]Info{data(0, 1), mark(10, 1, Commit), data(20, 1), mark(30, 1, Abort)}, []int64{0}},
		"begins inside a batch that compaction joined": {[]Aborted{{1, 5}}, []Info{data(0, 1)}, nil},
		"aborted twice": {[]Aborted{{1, 20}, {1, 0}},
			[]Info{data(0, 1), mark(10, 1, Abort), data(20, 1), mark(30, 1, Abort), data(31, 1)}, []int64{31}},
		"others go on": {[]Aborted{{1, 0}},
			[]Info{plain(0), data(10, 1), idempotent(20, 1), mark(30, 3, Abort), data(31, 1)}, []int64{0, 20}},
		"commit does not end it": {[]Aborted{{1, 10}}, []Info{mark(5, 1, Commit), data(10, 1), mark(20, 1, Abort)}, nil},
		"began before the fetch": {[]Aborted{{1, 0}}, []Info{data(50, 1), mark(60, 1, Abort), data(61, 1)}, []int64{61}},
		"other markers":          {nil, []Info{mark(0, 1, Other), plain(1)}, []int64{1}},
	}
	var c Committed
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c.Reset(test.aborted)
			var got []int64
			for i := range test.batches {
				if c.Admits(&test.batches[i]) {
					got = append(got, test.batches[i].BaseOffset)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("read %v, want %v", got, test.want)
			}
		})
	}
}
