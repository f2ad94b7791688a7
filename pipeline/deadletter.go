package pipeline

import "slices"

// Headers of a dead letter.
const (
	// HeaderOrigin says where the rejected message is stored, as
	// "orders/3@8812"; where several messages cannot be told apart, as
	// "orders/3@8812-8840".
	HeaderOrigin = "streamcrypt-origin"
	// HeaderReason has the word of Reject.Reason.
	HeaderReason = "streamcrypt-reason"
)

// pendingLetter is a message of the batch in hand that goes to the dead
// letters.
type pendingLetter struct {
	index   int // in the batch
	place   int32
	reject  *Reject
	written bool
}

// sortLetters puts rejects into read order: those of the gate and of the sink
// came after those of the transform.
func sortLetters(rejects []pendingLetter) {
	slices.SortFunc(rejects, func(a, b pendingLetter) int { return a.index - b.index })
}

// appendLetters appends, in read order, one dead letter for each reject that
// was not written yet. A letter points to its message by place, offset and key;
// its value, if it has one, is as it was read.
func appendLetters(dst []Message, batch []Message, rejects []pendingLetter, values bool) []Message {
	sortLetters(rejects)
	for _, r := range rejects {
		if r.written {
			continue
		}
		m := &batch[r.index]
		letter := Message{
			Key:    m.Key,
			Time:   m.Time,
			Origin: m.Origin,
			Headers: []Header{
				{Name: HeaderOrigin, Value: appendOrigin(nil, m.Origin, r.reject.Through)},
				{Name: HeaderReason, Value: []byte(r.reject.Reason)},
			},
		}
		if values {
			letter.Value = m.Value
		}
		dst = append(dst, letter)
	}
	return dst
}
