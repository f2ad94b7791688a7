package kafka

import (
	"cmp"
	"slices"
)

// share is the part of one lane: partitions with one leader. Number is the
// lane's among those of its Source.
type share struct {
	number     int
	partitions []int32 // their slots
}

// dealPartitions deals partitions out to lanes: as many as there are leaders,
// or workers if that is more, but none without a partition. The partitions of
// one leader go to a number of lanes in proportion to their share of all
// partitions. The result depends on nothing but the arguments.
func dealPartitions(partitions []int32, leader func(int32) int32, workers int) []share {
	byLeader := make(map[int32][]int32)
	for _, p := range partitions {
		byLeader[leader(p)] = append(byLeader[leader(p)], p)
	}
	piles := make([]pile, 0, len(byLeader))
	for id, ps := range byLeader {
		slices.Sort(ps)
		piles = append(piles, pile{leader: id, partitions: ps, lanes: 1})
	}
	slices.SortFunc(piles, func(a, b pile) int { return cmp.Compare(a.leader, b.leader) })
	for lanes := len(piles); lanes < min(workers, len(partitions)); lanes++ {
		most := &piles[0]
		for i := range piles {
			if piles[i].fullestLane() > most.fullestLane() {
				most = &piles[i]
			}
		}
		most.lanes++
	}
	var shares []share
	for i := range piles {
		for lane := range piles[i].lanes {
			s := share{number: len(shares)}
			for n := lane; n < len(piles[i].partitions); n += piles[i].lanes {
				s.partitions = append(s.partitions, piles[i].partitions[n])
			}
			shares = append(shares, s)
		}
	}
	return shares
}

// pile is the partitions of one leader.
type pile struct {
	leader     int32
	partitions []int32
	lanes      int
}

// fullestLane returns the number of partitions in the fullest lane. A pile with
// one partition per lane takes no more lanes.
func (p *pile) fullestLane() int {
	if p.lanes >= len(p.partitions) {
		return 0
	}
	return (len(p.partitions) + p.lanes - 1) / p.lanes
}
