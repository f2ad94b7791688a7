package cms

import "encoding/binary"

// word is eight bytes that begin at an offset; those under mask are as in want.
// A few words are compared in less time than two calls of bytes.Equal take.
type word struct {
	at         int
	mask, want uint64
}

// appendWords appends words that have the bytes of b in a span as they are. b
// has at least eight bytes, and no word goes beyond its end.
func appendWords(dst []word, b []byte, s span) []word {
	for ; s.from < s.to; s.from += 8 {
		w := word{at: min(s.from, len(b)-8)}
		skip := s.from - w.at
		used := min(8-skip, s.to-s.from)
		w.mask = ^uint64(0) >> (64 - 8*used) << (8 * skip)
		w.want = binary.LittleEndian.Uint64(b[w.at:]) & w.mask
		dst = append(dst, w)
	}
	return dst
}

// haveWords tells whether b has all words. It must not be shorter than the
// bytes that they were made of.
func haveWords(b []byte, words []word) bool {
	var differ uint64
	for i := range words {
		w := &words[i]
		differ |= binary.LittleEndian.Uint64(b[w.at:])&w.mask ^ w.want
	}
	return differ == 0
}
