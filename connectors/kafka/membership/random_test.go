package membership

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestRandomGroups: processes come, go, are killed, are cut off and are started
// again, lose answers and drain slowly, and the topic grows. Nobody ever takes
// a partition that another process may still write, and in the end everything
// is shared.
func TestRandomGroups(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		bubble(t, func(t *testing.T, b *board) { runRandomGroup(t, b, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func runRandomGroup(t *testing.T, b *board, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 3))
	c, l := newCoordinator(t), topic(int32(1+r.IntN(12)))
	var alive []*process
	instances := 0
	start := func(instance string) {
		o := Options{Instance: instance, Rebalance: time.Duration(6+r.IntN(30)) * time.Second}
		alive = append(alive, b.startSlow(c, l, o, time.Duration(r.IntN(3000))*time.Millisecond))
	}
	for range 25 {
		var p *process
		at := 0
		if len(alive) > 0 {
			at = r.IntN(len(alive))
			p = alive[at]
		}
		switch n := r.IntN(10); {
		case p == nil || n < 2 && len(alive) < 5:
			instance := ""
			if r.IntN(2) == 0 {
				instances++
				instance = fmt.Sprint("i", instances)
			}
			start(instance)
		case n < 4:
			alive = slices.Delete(alive, at, at+1)
			p.leave()
		case n < 6:
			alive = slices.Delete(alive, at, at+1)
			p.kill()
			if p.Instance != "" {
				pass(time.Duration(r.IntN(15000)) * time.Millisecond)
				start(p.Instance)
			}
		case n < 8:
			p.link.setCut(true)
			pass(time.Duration(r.IntN(20000)) * time.Millisecond)
			p.link.setCut(false)
		case n == 8:
			p.link.mu.Lock()
			p.link.lose = []int16{11, 12, 14}[r.IntN(3)]
			p.link.mu.Unlock()
		default:
			l.mu.Lock()
			l.counts["t"] += int32(r.IntN(3))
			l.mu.Unlock()
		}
		pass(time.Duration(r.IntN(8000)) * time.Millisecond)
	}
	if len(alive) == 0 {
		start("")
	}
	pass(2 * time.Minute)
	got := sizes(alive...)
	total := 0
	for _, n := range got {
		total += n
	}
	if total != int(l.counts["t"]) || got[len(got)-1]-got[0] > 1 {
		t.Errorf("%v of %d partitions, the group is %s with %d members, led by %s",
			got, l.counts["t"], c.state, len(c.members), c.leader)
		for id, m := range c.members {
			t.Errorf("%s: instance %q, joins %t, syncs %t, fresh %t", id, m.instance, m.join != nil, m.sync != nil, m.fresh)
		}
	}
	for _, p := range alive {
		p.leave()
	}
	pass(time.Minute) // ghosts of killed processes expire
}

// FuzzSubscription: the bytes of other members never panic, and a plan that is
// made of them is a plan.
func FuzzSubscription(f *testing.F) {
	f.Add(encodeSubscription([]string{"a"}, []Partition{{"a", 0}}, 3, "p"), int32(4))
	f.Add([]byte{0, 1, 0, 0, 0, 1, 0, 1, 'a', 0xff, 0xff, 0xff, 0xff}, int32(2)) // without its last field
	f.Fuzz(func(t *testing.T, b []byte, n int32) {
		view, err := decodeSubscription("x", b)
		if err != nil {
			view.topics = nil
		}
		counts := map[string]int32{"a": min(max(n, 0), 20)}
		_, target := dealPartitions([]memberView{view, {id: "y", topics: map[string]bool{"a": true}}}, counts)
		if got := len(target["x"]) + len(target["y"]); got != int(counts["a"]) {
			t.Errorf("%d of %d partitions", got, counts["a"])
		}
	})
}

// FuzzAssignment: the bytes of a leader never panic.
func FuzzAssignment(f *testing.F) {
	good, _ := encodeAssignment([]Partition{{"a", 0}, {"a", 2}}, facts{Partitions: map[string]int32{"a": 3}, Fresh: []string{"a"}})
	f.Add(good)
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := decodeAssignment(b)
		if err == nil && !slices.IsSortedFunc(a.partitions, func(p, q Partition) int {
			if p == q {
				t.Errorf("%v twice", p)
			}
			return 0
		}) {
			t.Error("not in order")
		}
	})
}

// TestAssignmentBytes: an assignment comes back as it was sent, and Kafka's own
// consumers send theirs without user data.
func TestAssignmentBytes(t *testing.T) {
	ps := []Partition{{"a", 0}, {"a", 2}, {"b", 1}}
	b, err := encodeAssignment(ps, facts{Partitions: map[string]int32{"a": 3, "b": 2}, Fresh: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeAssignment(b)
	if err != nil || !slices.Equal(got.partitions, ps) || !got.known {
		t.Fatalf("got %+v, %v", got, err)
	}
	for p, want := range map[Partition]bool{{"a", 0}: true, {"a", 3}: false, {"b", 0}: false} {
		if got.facts.isFresh(p) != want {
			t.Errorf("%v is fresh: %t", p, !want)
		}
	}
	foreign := []byte{0, 1, 0, 0, 0, 1, 0, 1, 'a', 0, 0, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff}
	if got, err := decodeAssignment(foreign); err != nil || got.known || !slices.Equal(got.partitions, []Partition{{"a", 7}}) {
		t.Errorf("got %+v, %v", got, err)
	}
}
