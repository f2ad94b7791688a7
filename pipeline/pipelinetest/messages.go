package pipelinetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// indexDigits is how long the number is that begins every message's key or
// value.
const indexDigits = 8

// Messages returns n messages, numbered from first on, that use all that c
// carries: null and empty keys and values, repeated headers, bytes of every
// kind. The same numbers give the same messages. maxValue bounds the values in
// bytes; one in a hundred comes near it.
func Messages(c Carries, first, n, maxValue int) []pipeline.Message {
	msgs := make([]pipeline.Message, n)
	for i := range msgs {
		msgs[i] = newMessage(c, first+i, maxValue)
	}
	return msgs
}

func newMessage(c Carries, i, maxValue int) pipeline.Message {
	r := rand.New(rand.NewPCG(uint64(i), 1))
	number := fmt.Appendf(nil, "%0*d", indexDigits, i)
	m := pipeline.Message{Value: appendRandom(r, bytes.Clone(number), r.IntN(200), !c.Text)}
	if i%100 == 99 {
		m.Value = appendRandom(r, bytes.Clone(number), maxValue-indexDigits-r.IntN(10), !c.Text)
	}
	if c.Key {
		switch {
		case i%13 == 5: // the number stays in the value
		case i%13 == 6:
			m.Key = []byte{}
		default:
			m.Key = appendRandom(r, number, r.IntN(20), c.Binary)
			if i%7 == 3 {
				m.Value = []byte{}
			}
			if i%7 == 4 && c.NullValue {
				m.Value = nil
			}
		}
	}
	if c.Headers {
		m.Headers = newHeaders(r, c)
	}
	if c.Time > 0 {
		m.Time = time.Unix(1_700_000_000, int64(i)*1_234_567).UTC().Truncate(c.Time)
	}
	return m
}

func newHeaders(r *rand.Rand, c Carries) []pipeline.Header {
	names := []string{"trace-id", "Content-Type", "x", "trace-id"}
	hs := make([]pipeline.Header, r.IntN(len(names)+1))
	for i := range hs {
		hs[i].Name = names[i]
		switch r.IntN(4) {
		case 0:
			hs[i].Value = []byte{}
		case 1:
			if c.NullHeader {
				continue
			}
			fallthrough
		default:
			hs[i].Value = appendRandom(r, nil, 1+r.IntN(16), c.Binary)
		}
	}
	return hs
}

// appendRandom appends n random bytes to dst, printable and without spaces
// unless binary.
func appendRandom(r *rand.Rand, dst []byte, n int, binary bool) []byte {
	for range n {
		b := byte(r.Uint32())
		if !binary {
			b = '!' + b%('~'-'!'+1)
		}
		dst = append(dst, b)
	}
	return dst
}

// Index returns the number of a message made by Messages, or -1.
func Index(m *pipeline.Message) int {
	for _, b := range [][]byte{m.Key, m.Value} {
		if len(b) >= indexDigits {
			if n, err := strconv.Atoi(string(b[:indexDigits])); err == nil {
				return n
			}
		}
	}
	return -1
}

// Diff names the field in which got differs from want, as far as c carries it;
// "" if there is none.
func Diff(c Carries, want, got *pipeline.Message) string {
	switch {
	case !isSame(want.Value, got.Value, c.NullValue):
		return fmt.Sprintf("value: got %s, want %s", showBytes(got.Value), showBytes(want.Value))
	case c.Key && !isSame(want.Key, got.Key, true):
		return fmt.Sprintf("key: got %s, want %s", showBytes(got.Key), showBytes(want.Key))
	case c.Time > 0 && !got.Time.Truncate(c.Time).Equal(want.Time.Truncate(c.Time)):
		return fmt.Sprintf("time: got %v, want %v", got.Time, want.Time)
	case c.Headers:
		return diffHeaders(c, want.Headers, got.Headers)
	}
	return ""
}

func diffHeaders(c Carries, want, got []pipeline.Header) string {
	if len(want) != len(got) {
		return fmt.Sprintf("headers: got %d, want %d", len(got), len(want))
	}
	if !c.HeaderOrder {
		want, got = byName(want), byName(got)
	}
	for i := range want {
		if want[i].Name != got[i].Name || !isSame(want[i].Value, got[i].Value, c.NullHeader) {
			return fmt.Sprintf("header %d: got %s: %s, want %s: %s",
				i, got[i].Name, showBytes(got[i].Value), want[i].Name, showBytes(want[i].Value))
		}
	}
	return ""
}

func byName(hs []pipeline.Header) []pipeline.Header {
	hs = slices.Clone(hs)
	slices.SortStableFunc(hs, func(a, b pipeline.Header) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return hs
}

func isSame(a, b []byte, null bool) bool {
	return bytes.Equal(a, b) && (!null || (a == nil) == (b == nil))
}

func showBytes(b []byte) string {
	if b == nil {
		return "null"
	}
	if len(b) > 40 {
		return fmt.Sprintf("%q... (%d bytes)", b[:40], len(b))
	}
	return fmt.Sprintf("%q", b)
}
