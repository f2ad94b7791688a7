package membership

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// holding is the partitions of a member. The Holder is called by the goroutine
// of Run only.
type holding struct {
	holder Holder

	held struct {
		sync.Mutex
		set map[Partition]bool
	}
}

func (h *holding) init(holder Holder) {
	h.holder = holder
	h.held.set = make(map[Partition]bool)
}

// holdsAll tells whether all partitions are held.
func (h *holding) holdsAll(partitions []Partition) bool {
	h.held.Lock()
	defer h.held.Unlock()
	for _, p := range partitions {
		if !h.held.set[p] {
			return false
		}
	}
	return true
}

// listHeld returns the partitions that are held, in order.
func (h *holding) listHeld() []Partition {
	h.held.Lock()
	defer h.held.Unlock()
	all := slices.Collect(maps.Keys(h.held.set))
	sortPartitions(all)
	return all
}

// compareHeld returns the partitions that are given and not held, and those
// that are held and not given.
func (h *holding) compareHeld(given []Partition) (added, revoked []Partition) {
	held := h.listHeld()
	for _, p := range given {
		if !slices.Contains(held, p) {
			added = append(added, p)
		}
	}
	for _, p := range held {
		if !slices.Contains(given, p) {
			revoked = append(revoked, p)
		}
	}
	return added, revoked
}

func (h *holding) takeUp(added []Assigned) {
	if len(added) == 0 {
		return
	}
	h.held.Lock()
	for _, p := range added {
		h.held.set[p.Partition] = true
	}
	h.held.Unlock()
	h.holder.Take(added)
}

// giveUp has the holder give up partitions, which stay held until it has.
func (h *holding) giveUp(ctx context.Context, revoked []Partition) {
	h.holder.Release(ctx, revoked)
	h.forgetHeld(revoked)
}

func (h *holding) forgetHeld(partitions []Partition) {
	h.held.Lock()
	defer h.held.Unlock()
	for _, p := range partitions {
		delete(h.held.set, p)
	}
}

func (h *holding) dropAll() {
	all := h.listHeld()
	if len(all) == 0 {
		return
	}
	h.forgetHeld(all)
	h.holder.Drop(all)
}
