package wire

// groups writes n partitions by topic: neighbours of one topic share an entry,
// so that their order is kept.
func groups(e *encoder, n int, topic func(int) string, partition func(int)) {
	topics := 0
	for i := range n {
		if i == 0 || topic(i) != topic(i-1) {
			topics++
		}
	}
	e.array(topics)
	for i := 0; i < n; {
		end := i + 1
		for end < n && topic(end) == topic(i) {
			end++
		}
		e.string(topic(i))
		e.array(end - i)
		for ; i < end; i++ {
			partition(i)
		}
		e.tags()
	}
}

// finder finds the partition of a request that an answer speaks of. Brokers
// answer in the order of the request, or nearly, so the search begins behind
// the last find.
type finder struct {
	n    int
	name func(int) (topic string, partition int32)
	next int
}

// index returns the partition's number in the request. A partition that was not
// asked for makes the answer bad.
func (f *finder) index(d *decoder, topic []byte, partition int32) int {
	for k := range f.n {
		i := f.next + k
		if i >= f.n {
			i -= f.n
		}
		if t, p := f.name(i); p == partition && t == string(topic) {
			f.next = i + 1
			if f.next == f.n {
				f.next = 0
			}
			return i
		}
	}
	d.fail()
	return 0
}

// refill makes s n times v, in the memory of s if it is there.
func refill[T any](s []T, n int, v T) []T {
	if cap(s) < n {
		s = make([]T, n)
	}
	s = s[:n]
	for i := range s {
		s[i] = v
	}
	return s
}
