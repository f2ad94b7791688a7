package membership

import (
	"cmp"
	"maps"
	"slices"
)

// memberView is a member as the leader sees it.
type memberView struct {
	id         string
	topics     map[string]bool
	owned      []Partition // claimed to be owned, in its generation
	generation int32
	process    string // its Options.Process
}

// dealPartitions deals all partitions of the topics out to the members. Each
// partition goes to one member that has subscribed to its topic. The numbers of
// partitions differ by at most one where all members have the same topics, and
// as few partitions move as that allows: at most ceil(partitions / members)
// when one member comes or goes. The partitions of each topic are spread as
// well. The result depends on nothing but the arguments.
//
// Round has the partitions that each member may have now: one that another
// member claims is given to nobody until that member has released it (KIP-429).
func dealPartitions(members []memberView, counts map[string]int32) (round, target map[string][]Partition) {
	d := newDeal(members, counts)
	d.keepOwned()
	d.dealRest()
	for d.moveOne() {
	}
	target = make(map[string][]Partition, len(d.hands))
	round = make(map[string][]Partition, len(d.hands))
	for _, h := range d.hands {
		id := h.member.id
		target[id] = slices.Clone(h.partitions)
		sortPartitions(target[id])
		for _, p := range target[id] {
			if d.isFree(p, id) {
				round[id] = append(round[id], p)
			}
		}
	}
	return round, target
}

// deal is one dealing under way.
type deal struct {
	hands  []*hand // by member id
	counts map[string]int32
	claims map[Partition][]claim
	dealt  map[Partition]bool
}

// hand is the part of one member.
type hand struct {
	member     *memberView
	partitions []Partition
	perTopic   map[string]int
}

type claim struct {
	id         string
	generation int32
}

func newDeal(members []memberView, counts map[string]int32) *deal {
	d := &deal{counts: counts, claims: make(map[Partition][]claim), dealt: make(map[Partition]bool)}
	for i := range members {
		m := &members[i]
		d.hands = append(d.hands, &hand{member: m, perTopic: make(map[string]int)})
		for _, p := range m.owned {
			d.claims[p] = append(d.claims[p], claim{m.id, m.generation})
		}
	}
	slices.SortFunc(d.hands, func(a, b *hand) int { return cmp.Compare(a.member.id, b.member.id) })
	return d
}

func (h *hand) addPartition(p Partition) {
	h.partitions = append(h.partitions, p)
	h.perTopic[p.Topic]++
}

func (h *hand) removeAt(at int) Partition {
	p := h.partitions[at]
	h.partitions = slices.Delete(h.partitions, at, at+1)
	h.perTopic[p.Topic]--
	return p
}

// isFree tells whether nobody but the member claims a partition.
func (d *deal) isFree(p Partition, id string) bool {
	return !slices.ContainsFunc(d.claims[p], func(c claim) bool { return c.id != id })
}

// findOwner returns the member with the claim that counts: the latest one.
func (d *deal) findOwner(p Partition) string {
	claims := d.claims[p]
	if len(claims) == 0 {
		return ""
	}
	return slices.MaxFunc(claims, func(a, b claim) int {
		return cmp.Or(cmp.Compare(a.generation, b.generation), cmp.Compare(b.id, a.id))
	}).id
}

// keepOwned leaves each member the partitions that it owns.
func (d *deal) keepOwned() {
	for _, h := range d.hands {
		for _, p := range h.member.owned {
			exists := p.Number >= 0 && p.Number < d.counts[p.Topic]
			if exists && h.member.topics[p.Topic] && !d.dealt[p] && d.findOwner(p) == h.member.id {
				h.addPartition(p)
				d.dealt[p] = true
			}
		}
	}
}

// dealRest gives each partition that nobody owns to the member that has the
// fewest partitions, and among these the fewest of its topic. Topics with few
// subscribers come first, since they leave little choice.
func (d *deal) dealRest() {
	topics := slices.Sorted(maps.Keys(d.counts))
	slices.SortStableFunc(topics, func(a, b string) int {
		return cmp.Compare(d.countSubscribers(a), d.countSubscribers(b))
	})
	for _, topic := range topics {
		for n := range d.counts[topic] {
			p := Partition{topic, n}
			if d.dealt[p] {
				continue
			}
			if to := d.findPoorest(topic); to != nil {
				to.addPartition(p)
			}
		}
	}
}

func (d *deal) countSubscribers(topic string) (n int) {
	for _, h := range d.hands {
		if h.member.topics[topic] {
			n++
		}
	}
	return n
}

// findPoorest returns the subscriber of a topic that has the least; nil if
// there is none.
func (d *deal) findPoorest(topic string) (least *hand) {
	for _, h := range d.hands {
		switch {
		case !h.member.topics[topic]:
		case least == nil, compareHands(h, least, topic) < 0:
			least = h
		}
	}
	return least
}

func compareHands(a, b *hand, topic string) int {
	return cmp.Or(cmp.Compare(len(a.partitions), len(b.partitions)), cmp.Compare(a.perTopic[topic], b.perTopic[topic]))
}

// moveOne moves a partition from a member to one that has at least two less,
// and returns false if no such move is left. The richest member gives first, to
// the poorest that can take. Each move lowers the sum of squares, so moves end.
func (d *deal) moveOne() bool {
	byWealth := slices.Clone(d.hands)
	slices.SortStableFunc(byWealth, func(a, b *hand) int { return cmp.Compare(len(b.partitions), len(a.partitions)) })
	for _, from := range byWealth {
		for i := len(byWealth) - 1; i >= 0; i-- {
			to := byWealth[i]
			if len(from.partitions)-len(to.partitions) < 2 {
				break
			}
			if at := choosePartition(from, to); at >= 0 {
				to.addPartition(from.removeAt(at))
				return true
			}
		}
	}
	return false
}

// choosePartition returns the index of the partition that one member gives to
// another; -1 if the other has not subscribed to any. It is of the topic of
// which the two have the most different numbers.
func choosePartition(from, to *hand) int {
	best, most := -1, 0
	for i, p := range from.partitions {
		if !to.member.topics[p.Topic] {
			continue
		}
		difference := from.perTopic[p.Topic] - to.perTopic[p.Topic]
		if best < 0 || difference >= most {
			best, most = i, difference
		}
	}
	return best
}
