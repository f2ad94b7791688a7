package transform

import (
	"encoding/binary"
	"fmt"
)

// The state of a Gate is 12 bytes for each ordered place, in the order in which the places first came:
//
//	the first 6 of the 7 bytes of the place || 6 bytes of the highest offset
//
// A Gate that took one place for another would drop good messages, so the state spends as much as it can on the place. A run
// keeps all 7 bytes, and only goes by 6 when it meets a place of the state for the first time. Then a place that is in fact
// new meets one of n in the state with a probability of n/2^48, below 10^-12 for 240 of them. 5 bytes of place and 7 of offset would be 256
// times worse. 7 and 5 would end at 2^40 offsets, which a busy partition has within months; 2^48 it never has.
// A higher offset is written as 2^48-1, which makes the next Gate drop less, never more.
const (
	prefixSize = 6
	entrySize  = prefixSize + 6
	maxWritten = 1<<48 - 1

	// maxOrdered places take 3,840 bytes in base64: Kafka keeps 4,096 bytes of text with an offset, some of which are the connector's.
	maxOrdered = 240
)

// highest has the highest offset of each of maxOrdered ordered places.
type highest struct {
	entries  []entry // in the order of the state
	seen     map[placeID]int
	restored map[[prefixSize]byte]int // those that came with the state, until a message shows the whole place
}

type entry struct {
	prefix [prefixSize]byte
	offset uint64
}

func restore(state []byte) (highest, error) {
	if len(state)%entrySize != 0 || len(state) > maxOrdered*entrySize {
		return highest{}, fmt.Errorf("gate state: %d bytes are not up to %d entries of %d", len(state), maxOrdered, entrySize)
	}
	h := highest{seen: map[placeID]int{}, restored: map[[prefixSize]byte]int{}}
	for ; len(state) > 0; state = state[entrySize:] {
		e := entry{prefix: [prefixSize]byte(state)}
		for _, b := range state[prefixSize:entrySize] {
			e.offset = e.offset<<8 | uint64(b)
		}
		if i, twice := h.restored[e.prefix]; twice { // which is which cannot be told, so what holds for both
			h.entries[i].offset = min(h.entries[i].offset, e.offset)
			continue
		}
		h.restored[e.prefix] = len(h.entries)
		h.entries = append(h.entries, e)
	}
	return h, nil
}

// find returns the highest offset of a place, or nil. It may be changed until the next add.
func (h *highest) find(place placeID) *uint64 {
	if i, ok := h.seen[place]; ok {
		return &h.entries[i].offset
	}
	prefix := [prefixSize]byte(place[:])
	i, ok := h.restored[prefix]
	if !ok {
		return nil
	}
	delete(h.restored, prefix) // another place with this prefix is not the one that was meant
	h.seen[place] = i
	return &h.entries[i].offset
}

// add notes a place that find does not know. It reports false if there is no room.
func (h *highest) add(place placeID, offset uint64) bool {
	if len(h.entries) == maxOrdered {
		return false
	}
	h.seen[place] = len(h.entries)
	h.entries = append(h.entries, entry{prefix: [prefixSize]byte(place[:]), offset: offset})
	return true
}

// append appends the state to dst.
func (h *highest) append(dst []byte) []byte {
	for i := range h.entries {
		e := &h.entries[i]
		dst = append(dst, e.prefix[:]...)
		var offset [8]byte
		binary.BigEndian.PutUint64(offset[:], min(e.offset, maxWritten))
		dst = append(dst, offset[8-(entrySize-prefixSize):]...)
	}
	return dst
}
