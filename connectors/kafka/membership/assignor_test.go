package membership

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// group is members that follow a leader's plans.
type group struct {
	t       *testing.T
	counts  map[string]int32
	members map[string]*memberView
	next    int
	epoch   int32
	patient bool // members with other topics may take more rounds
}

func newGroup(t *testing.T, counts map[string]int32) *group {
	return &group{t: t, counts: counts, members: map[string]*memberView{}}
}

func (g *group) add(topics ...string) string {
	g.next++
	id := fmt.Sprintf("m%03d", g.next*37%1000) // not in the order of arrival
	m := &memberView{id: id, topics: map[string]bool{}, generation: -1}
	for _, topic := range topics {
		m.topics[topic] = true
	}
	g.members[id] = m
	return id
}

// settle deals until nothing changes, as members that cooperate do, and returns
// how many partitions have moved from one member to another.
func (g *group) settle() (moved int) {
	g.t.Helper()
	before := map[Partition]string{}
	for id, m := range g.members {
		for _, p := range m.owned {
			before[p] = id
		}
	}
	for rounds := 0; ; rounds++ {
		if rounds == 3 && !g.patient || rounds == 8 {
			g.t.Fatal("a group that does not settle")
		}
		var views []memberView
		for _, id := range slices.Sorted(maps.Keys(g.members)) {
			views = append(views, *g.members[id])
		}
		rand.Shuffle(len(views), func(i, j int) { views[i], views[j] = views[j], views[i] })
		round, target := dealPartitions(views, g.counts)
		g.epoch++
		owned := map[Partition]string{}
		for id, m := range g.members {
			for _, p := range m.owned {
				owned[p] = id
			}
		}
		changed := false
		for id, ps := range round {
			for _, p := range ps {
				if o := owned[p]; o != "" && o != id {
					g.t.Fatalf("%s was given %v, which %s owns", id, p, o)
				}
			}
		}
		for id, m := range g.members {
			changed = changed || !slices.Equal(m.owned, round[id])
			m.owned, m.generation = round[id], g.epoch
		}
		if !changed {
			g.checkDeal(target)
			for id, m := range g.members {
				for _, p := range m.owned {
					if o, ok := before[p]; ok && o != id && g.members[o] != nil {
						moved++
					}
				}
			}
			return moved
		}
	}
}

// checkDeal: every partition with a subscriber has one owner that has
// subscribed.
func (g *group) checkDeal(target map[string][]Partition) {
	g.t.Helper()
	seen := map[Partition]bool{}
	for id, m := range g.members {
		if !slices.Equal(m.owned, target[id]) {
			g.t.Fatalf("%s owns %v and not the target %v", id, m.owned, target[id])
		}
		for _, p := range m.owned {
			if seen[p] || !m.topics[p.Topic] || p.Number >= g.counts[p.Topic] {
				g.t.Fatalf("%s owns %v", id, p)
			}
			seen[p] = true
		}
	}
	want := 0
	for topic, n := range g.counts {
		if slices.ContainsFunc(slices.Collect(maps.Values(g.members)), func(m *memberView) bool { return m.topics[topic] }) {
			want += int(n)
		}
	}
	if len(seen) != want {
		g.t.Fatalf("%d partitions of %d are owned", len(seen), want)
	}
}

func (g *group) spread() (least, most int) {
	least = 1 << 30
	for _, m := range g.members {
		least, most = min(least, len(m.owned)), max(most, len(m.owned))
	}
	return least, most
}

// TestStickiness: when one member comes or goes, at most ceil(P/M) partitions
// move, everything is owned, and numbers differ by one at most.
func TestStickiness(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		counts := map[string]int32{}
		var topics []string
		partitions := 0
		for i := range 1 + r.IntN(5) {
			name := fmt.Sprintf("t%d", i)
			topics = append(topics, name)
			counts[name] = int32(1 + r.IntN(20))
			partitions += int(counts[name])
		}
		g := newGroup(t, counts)
		for range 1 + r.IntN(6) {
			g.add(topics...)
		}
		g.settle()
		for range 12 {
			members := len(g.members)
			gone := 0
			if r.IntN(2) == 0 || members == 1 {
				g.add(topics...)
				members++
			} else {
				ids := slices.Sorted(maps.Keys(g.members))
				id := ids[r.IntN(len(ids))]
				gone = len(g.members[id].owned)
				delete(g.members, id)
			}
			moved := gone + g.settle()
			if limit := (partitions + members - 1) / members; moved > limit {
				t.Fatalf("seed %d: %d of %d partitions moved among %d members", seed, moved, partitions, members)
			}
			if least, most := g.spread(); most-least > 1 {
				t.Fatalf("seed %d: between %d and %d partitions a member", seed, least, most)
			}
		}
	}
}

// TestTopicsAreSpread: members that begin together share each topic.
func TestTopicsAreSpread(t *testing.T) {
	g := newGroup(t, map[string]int32{"a": 4, "b": 4, "c": 2})
	x, y := g.add("a", "b", "c"), g.add("a", "b", "c")
	g.settle()
	for _, id := range []string{x, y} {
		by := groupByTopic(g.members[id].owned)
		if len(by["a"]) != 2 || len(by["b"]) != 2 || len(by["c"]) != 1 {
			t.Errorf("%s has %v", id, by)
		}
	}
}

// TestDifferentTopics: members with other topics get none of the rest, and a
// topic that grows or goes is followed.
func TestDifferentTopics(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		counts := map[string]int32{"a": 3, "b": 5, "c": 7}
		g := newGroup(t, counts)
		g.patient = true
		for range 1 + r.IntN(6) {
			var topics []string
			for _, topic := range []string{"a", "b", "c", "d"} {
				if r.IntN(2) == 0 {
					topics = append(topics, topic)
				}
			}
			g.add(topics...)
		}
		g.settle()
		for range 6 {
			switch topic := []string{"a", "b", "c", "d"}[r.IntN(4)]; r.IntN(3) {
			case 0:
				counts[topic] += int32(r.IntN(4))
			case 1:
				delete(counts, topic)
			case 2:
				g.add(topic)
			}
			g.settle()
		}
	}
}

// TestClaims: a partition that two members claim stays with the one of the
// later generation, and nobody gets it before the other one has let it go.
func TestClaims(t *testing.T) {
	topics := map[string]bool{"a": true}
	p := Partition{"a", 0}
	round, target := dealPartitions([]memberView{
		{id: "x", topics: topics, owned: []Partition{p}, generation: 3},
		{id: "y", topics: topics, owned: []Partition{p}, generation: 4},
	}, map[string]int32{"a": 1})
	if len(round["x"])+len(round["y"]) != 0 || !slices.Equal(target["y"], []Partition{p}) {
		t.Errorf("round %v, target %v", round, target)
	}
}

func BenchmarkDeal(b *testing.B) {
	counts := map[string]int32{}
	topics := map[string]bool{}
	for i := range 500 {
		counts[fmt.Sprint("t", i)] = 4
		topics[fmt.Sprint("t", i)] = true
	}
	members := []memberView{{id: "a", topics: topics}, {id: "b", topics: topics}, {id: "c", topics: topics}}
	round, _ := dealPartitions(members[:2], counts)
	members[0].owned, members[1].owned = round["a"], round["b"]
	for b.Loop() {
		dealPartitions(members, counts)
	}
}
