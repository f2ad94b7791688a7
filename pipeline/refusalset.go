package pipeline

import (
	"cmp"
	"slices"
)

// RefusalSet collects the messages of one Write that a destination does not
// take, and those that are left for it, since nothing is written behind a
// refused message of its own place. It is for Writers; the zero RefusalSet is
// empty.
type RefusalSet struct {
	messages []RefusedMessage
	left     []int
	stopped  map[string]int // by place, the first refused message
}

// Reset empties the set. Errors that Result has returned stay as they are.
func (r *RefusalSet) Reset() {
	clear(r.stopped)
	r.messages, r.left = nil, nil
}

// Refuse adds message i of a place, which was refused because of err; see
// RefusedMessage.
func (r *RefusalSet) Refuse(i int, place string, err error) {
	if r.stopped == nil {
		r.stopped = make(map[string]int)
	}
	if first, ok := r.stopped[place]; !ok || i < first {
		r.stopped[place] = i
	}
	r.messages = append(r.messages, RefusedMessage{Index: i, Err: err})
}

// LeaveBehind reports whether a message of the place was refused that stands
// before message i, and if so adds message i as left.
func (r *RefusalSet) LeaveBehind(i int, place string) bool {
	if !r.IsBehind(i, place) {
		return false
	}
	r.left = append(r.left, i)
	return true
}

// IsBehind is LeaveBehind for a message that is not added.
func (r *RefusalSet) IsBehind(i int, place string) bool {
	if len(r.stopped) == 0 {
		return false
	}
	first, ok := r.stopped[place]
	return ok && i >= first
}

// Result returns nil if no message was refused, and else a *Refused.
func (r *RefusalSet) Result(undoable bool) error {
	if len(r.messages) == 0 {
		return nil
	}
	slices.SortFunc(r.messages, func(a, b RefusedMessage) int { return cmp.Compare(a.Index, b.Index) })
	slices.Sort(r.left)
	return &Refused{Messages: r.messages, Left: r.left, Undoable: undoable}
}
