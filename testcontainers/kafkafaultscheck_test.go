package testcontainers

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// counts are the results of the suite.
type counts struct{ records, lost, doubled, reordered, foreign, changed int }

func (c counts) String() string {
	return fmt.Sprintf("%d records: %d lost, %d doubled, %d reordered, %d foreign, %d changed",
		c.records, c.lost, c.doubled, c.reordered, c.foreign, c.changed)
}

// isClean tells whether nothing is wrong.
func (c counts) isClean() bool { return c.lost+c.doubled+c.reordered+c.foreign+c.changed == 0 }

// numberOf returns the number of a record; -1 if it has none.
func numberOf(r *kgo.Record) int {
	i, err := strconv.Atoi(string(r.Key))
	if err != nil {
		return -1
	}
	return i
}

// checkMark counts what has come through so far: everything up to a mark must
// have. The source is taken for the records that were made, and is read if that
// is not true: a broker that was killed may have stored one of them twice.
func (s *faultStream) checkMark(t *testing.T, mark [faultParts]int) (found [3]counts) {
	t.Helper()
	if found = s.compareWith(s.madeKeys(), mark); found[1].isClean() && found[2].isClean() {
		return found
	}
	return s.compareWith(s.keys(t, faultTopics[0], nil), mark)
}

// madeKeys returns the numbers of all records that were made, by partition.
func (s *faultStream) madeKeys() (keys [faultParts][]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range keys {
		for i := range s.made[p] {
			keys[p] = append(keys[p], i*faultParts+p)
		}
	}
	return keys
}

func (s *faultStream) compareWith(source [faultParts][]int, mark [faultParts]int) (found [3]counts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic := 1; topic < len(faultTopics); topic++ {
		for p, keys := range s.through[topic] {
			found[topic].compare(source[p], keys, mark[p])
		}
	}
	return found
}

// check reads all topics anew. What counts is the order in which the source
// holds the records, whatever the test's own producer has made of them.
func (s *faultStream) check(t *testing.T) {
	t.Helper()
	source := s.keys(t, faultTopics[0], nil)
	for _, topic := range faultTopics[1:] {
		var c counts
		var values func(*kgo.Record)
		if topic == faultTopics[2] {
			values = func(r *kgo.Record) {
				i := numberOf(r)
				if i < 0 || i >= s.series.n {
					return // counted as foreign
				}
				if d := difference(r, s.series.numbered(topic, i)); d != "" {
					if c.changed++; c.changed <= 5 {
						t.Errorf("%s: %s", place(r), d)
					}
				}
			}
		}
		for p, keys := range s.keys(t, topic, values) {
			c.compare(source[p], keys, len(source[p]))
		}
		t.Logf("%s: %v", topic, c)
		if !c.isClean() || c.records == 0 {
			t.Errorf("%s: %v", topic, c)
		}
	}
}

// keys returns the numbers in the keys of a topic, in order per partition.
func (s *faultStream) keys(t *testing.T, topic string, see func(*kgo.Record)) (keys [faultParts][]int) {
	t.Helper()
	s.cluster.read(t, topic, faultParts, func(r *kgo.Record) {
		keys[r.Partition] = append(keys[r.Partition], numberOf(r))
		if see != nil {
			see(r)
		}
	})
	return keys
}

// compare counts what differs between a partition of the source and of a copy,
// which has to have the first ones.
func (c *counts) compare(source, copied []int, first int) {
	left := make(map[int]int, len(source))
	order := make(map[int]int, len(source))
	for i, key := range source {
		left[key]++
		order[key] = i
	}
	c.records += first
	last := -1
	for _, key := range copied {
		at, known := order[key]
		switch {
		case !known:
			c.foreign++
			continue
		case left[key] == 0:
			c.doubled++
			continue
		case at < last:
			c.reordered++
		}
		left[key]--
		last = max(last, at)
	}
	for key, n := range left {
		if order[key] < first {
			c.lost += n
		}
	}
}

// TestCounts checks the checker.
func TestCounts(t *testing.T) {
	for name, test := range map[string]struct {
		copied []int
		want   counts
	}{
		"same":      {[]int{1, 2, 3, 4}, counts{records: 4}},
		"lost":      {[]int{1, 3, 4}, counts{records: 4, lost: 1}},
		"cut":       {[]int{1, 2}, counts{records: 4, lost: 2}},
		"not yet":   {[]int{1, 2}, counts{records: 2}},
		"doubled":   {[]int{1, 2, 3, 2, 3, 4}, counts{records: 4, doubled: 2}},
		"reordered": {[]int{1, 3, 2, 4}, counts{records: 4, reordered: 1}},
		"foreign":   {[]int{1, 2, 9, 3, 4}, counts{records: 4, foreign: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var got counts
			got.compare([]int{1, 2, 3, 4}, test.copied, test.want.records)
			if got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
