package pipeline

import (
	"fmt"
	"slices"
)

// Headers of a dead letter.
const (
	HeaderOrigin = "streamcrypt-origin" // where the rejected message is stored, as "orders/3@8812"
	HeaderReason = "streamcrypt-reason" // the word of Reject.Reason
)

// pendingLetter is a message of the batch in hand that goes to the dead letters.
type pendingLetter struct {
	index int // in the batch
	err   *Reject
}

// appendLetters appends one dead letter per reject, in read order. A letter points to its message by
// place, offset and key; its value, if it has one, is as it was read.
func appendLetters(dst []Message, batch []Message, rejects []pendingLetter, values bool) []Message {
	// Those of the gate came after those of the transform.
	slices.SortFunc(rejects, func(a, b pendingLetter) int { return a.index - b.index })
	for _, r := range rejects {
		m := &batch[r.index]
		letter := Message{
			Key:    m.Key,
			Time:   m.Time,
			Origin: m.Origin,
			Headers: []Header{
				{Name: HeaderOrigin, Value: fmt.Appendf(nil, "%s@%d", m.Origin.Place, m.Origin.Offset)},
				{Name: HeaderReason, Value: []byte(r.err.Reason)},
			},
		}
		if values {
			letter.Value = m.Value
		}
		dst = append(dst, letter)
	}
	return dst
}
