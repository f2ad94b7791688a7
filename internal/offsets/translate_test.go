package offsets

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// memoryLog is a log in memory. Its messages need not be at every offset.
type memoryLog struct {
	place      string
	first, end int64
	messages   []pipeline.Message
	peeked     int
}

func (l *memoryLog) Place() string          { return l.place }
func (l *memoryLog) Bounds() (int64, int64) { return l.first, l.end }

func (l *memoryLog) Peek(_ context.Context, offset int64) (pipeline.Message, error) {
	l.peeked++
	for _, m := range l.messages {
		if m.Origin.Offset >= max(offset, l.first) && m.Origin.Offset < l.end {
			return m, nil
		}
	}
	return pipeline.Message{}, io.EOF
}

// put adds a message at an offset, with a number as its key.
func (l *memoryLog) put(offset int64, key int64, value []byte) {
	l.messages = append(l.messages, pipeline.Message{
		Key: []byte(strconv.FormatInt(key, 10)), Value: value, Time: time.Unix(offset, 0),
		Origin: pipeline.Origin{Place: l.place, Offset: offset},
	})
	l.end = max(l.end, offset+1)
}

// plainLog has messages at these offsets.
func plainLog(number int, offsets ...int64) *memoryLog {
	l := &memoryLog{place: fmt.Sprintf("in/%d", number)}
	for _, at := range offsets {
		l.put(at, at, nil)
	}
	return l
}

const samePartition = 1 << 15

// claim is a stand-in for an envelope: the partition and the offset.
func claim(partition uint16, offset int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint16(nil, partition|samePartition), uint64(offset))
}

func readClaim(m *pipeline.Message) (p envelope.Position, ok bool) {
	if len(m.Value) != 10 {
		return p, false
	}
	n := binary.BigEndian.Uint16(m.Value)
	p.Source, p.Partition, p.SamePartition = source, n&^samePartition, n&samePartition != 0
	p.Offset = binary.BigEndian.Uint64(m.Value[2:])
	return p, true
}

var source = [5]byte{1}

// sealedLog holds envelopes of partition 0 that claim these positions, at
// offsets from 0 on.
func sealedLog(number int, claims ...int64) *memoryLog {
	l := &memoryLog{place: fmt.Sprintf("out/%d", number)}
	for i, at := range claims {
		l.put(int64(i), at, claim(uint16(number), at))
	}
	return l
}

func upTo(n int64) (all []int64) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

func without(all []int64, leave ...int64) []int64 {
	return slices.DeleteFunc(slices.Clone(all), func(n int64) bool { return slices.Contains(leave, n) })
}

func cutLog(l *memoryLog, first int64) *memoryLog {
	l.first = first
	return l
}

func TestTranslate(t *testing.T) {
	junk := sealedLog(0, upTo(5)...)
	junk.put(5, 0, []byte("no envelope"))
	for i := range int64(5) {
		junk.put(6+i, 5+i, claim(0, 5+i))
	}
	other := sealedLog(0, upTo(3)...)
	other.put(3, 0, claim(7, 100)) // of a partition that is not there
	for _, test := range []struct {
		name     string
		plain    *memoryLog
		sealed   *memoryLog
		next     int64
		sealedTo int64
		compact  bool
		skip     bool
		state    State
		offset   int64
	}{
		{name: "middle", plain: plainLog(0, upTo(100)...), sealed: sealedLog(0, upTo(100)...), next: 60, sealedTo: -1, state: Found, offset: 60},
		{name: "first", plain: plainLog(0, upTo(100)...), sealed: sealedLog(0, upTo(100)...), next: 0, sealedTo: -1, state: Found, offset: 0},
		{name: "end", plain: plainLog(0, upTo(100)...), sealed: sealedLog(0, upTo(100)...), next: 100, sealedTo: -1, state: AtEnd, offset: 100},
		{name: "no position", plain: plainLog(0, upTo(9)...), sealed: sealedLog(0, upTo(9)...), next: -1, sealedTo: -1, state: NoPosition, offset: -1},
		{name: "beyond the end", plain: plainLog(0, upTo(9)...), sealed: sealedLog(0, upTo(9)...), next: 10, sealedTo: -1, state: BeyondEnd, offset: -1},
		{name: "not yet", plain: plainLog(0, upTo(100)...), sealed: sealedLog(0, upTo(50)...), next: 51, sealedTo: -1, state: NotYet, offset: -1},
		{name: "sealed just as far", plain: plainLog(0, upTo(100)...), sealed: sealedLog(0, upTo(50)...), next: 50, sealedTo: -1, state: AtEnd, offset: 50},
		{name: "the last one was set aside", plain: plainLog(0, upTo(100)...), sealed: sealedLog(0, upTo(99)...), next: 100, sealedTo: 100, state: AtEnd, offset: 99},
		{name: "the last one may have been set aside", plain: plainLog(0, upTo(100)...), sealed: sealedLog(0, upTo(99)...), next: 100, sealedTo: 99, state: NotYet, offset: -1},
		{name: "nothing sealed", plain: plainLog(0, upTo(5)...), sealed: sealedLog(0), next: 3, sealedTo: -1, state: NotYet, offset: -1},
		{name: "nothing at all", plain: plainLog(0), sealed: sealedLog(0), next: 0, sealedTo: -1, state: AtEnd, offset: 0},
		{name: "marks at the end", plain: plainLog(0, 0, 1, 2), sealed: sealedLog(0, 0, 1, 2), next: 3, sealedTo: -1, state: AtEnd, offset: 3},
		{name: "the reader stands behind a mark", plain: func() *memoryLog { l := plainLog(0, 0, 1, 2); l.end = 5; return l }(), sealed: sealedLog(0, 0, 1, 2), next: 5, sealedTo: -1, state: AtEnd, offset: 3},
		{name: "gaps", plain: plainLog(0, 0, 10, 20, 30), sealed: sealedLog(0, 0, 10, 20, 30), next: 11, sealedTo: -1, state: Found, offset: 2},
		{name: "plaintext deleted", plain: cutLog(plainLog(0, upTo(100)...), 80), sealed: sealedLog(0, upTo(100)...), next: 60, sealedTo: -1, state: Found, offset: 60},
		{name: "envelopes deleted", plain: plainLog(0, upTo(100)...), sealed: cutLog(sealedLog(0, upTo(100)...), 70), next: 60, sealedTo: -1, state: Missing, offset: 70},
		{name: "set aside", plain: plainLog(0, upTo(9)...), sealed: sealedLog(0, without(upTo(9), 4)...), next: 4, sealedTo: -1, state: Missing, offset: 4},
		{name: "set aside, and accepted", plain: plainLog(0, upTo(9)...), sealed: sealedLog(0, without(upTo(9), 4)...), next: 4, sealedTo: -1, skip: true, state: Found, offset: 4},
		{name: "compacted", plain: plainLog(0, upTo(9)...), sealed: sealedLog(0, without(upTo(9), 4)...), next: 4, sealedTo: -1, compact: true, state: Found, offset: 4},
		{name: "sealed twice", plain: plainLog(0, upTo(9)...), sealed: sealedLog(0, append(upTo(9), upTo(9)...)...), next: 5, sealedTo: -1, state: Found, offset: 5},
		{name: "rewound", plain: plainLog(0, upTo(9)...), sealed: sealedLog(0, 0, 1, 2, 1, 2, 3, 4, 3, 5, 6, 7, 8), next: 3, sealedTo: -1, state: Found, offset: 5},
		{name: "a foreign message", plain: plainLog(0, upTo(10)...), sealed: junk, next: 5, sealedTo: -1, state: Found, offset: 6},
		{name: "an envelope of another source", plain: plainLog(0, upTo(3)...), sealed: other, next: 3, sealedTo: -1, state: AtEnd, offset: 4},
		{name: "a claim beyond the end", plain: plainLog(0, upTo(5)...), sealed: sealedLog(0, 0, 1, 2, 3, 4, 900), next: 5, sealedTo: -1, state: BeyondEnd, offset: -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			rows, err := Translate(t.Context(),
				[]Plain{{Log: test.plain, Source: source, Next: test.next, SealedTo: test.sealedTo, Compacted: test.compact}},
				[]Sealed{{Log: test.sealed}}, Options{Claim: readClaim, SkipMissing: test.skip})
			if err != nil || len(rows) != 1 || rows[0].State != test.state || rows[0].Offset != test.offset {
				t.Errorf("%+v, %v, want %s at %d", rows, err, test.state, test.offset)
			}
		})
	}
}

// TestBisection has few messages looked at where positions rise.
func TestBisection(t *testing.T) {
	plain, sealed := plainLog(0, upTo(20_000)...), sealedLog(0, upTo(20_000)...)
	rows, err := Translate(t.Context(), []Plain{{Log: plain, Source: source, Next: 12_345, SealedTo: -1}},
		[]Sealed{{Log: sealed}}, Options{Claim: readClaim})
	if err != nil || rows[0].Offset != 12_345 || rows[0].Scanned {
		t.Fatalf("%+v, %v", rows, err)
	}
	if sealed.peeked > 2*beside+2*spread+64 {
		t.Errorf("%d messages were looked at", sealed.peeked)
	}
}

// TestPartitions has each log of envelopes hold one partition, and a partition
// without envelopes.
func TestPartitions(t *testing.T) {
	plain := []Plain{
		{Log: plainLog(0, upTo(10)...), Source: source, Number: 0, Next: 4, SealedTo: -1},
		{Log: plainLog(1, upTo(10)...), Source: source, Number: 1, Next: -1, SealedTo: -1},
		{Log: plainLog(2, upTo(10)...), Source: source, Number: 2, Next: 3, SealedTo: -1},
	}
	sealed := []Sealed{{Log: sealedLog(0, upTo(10)...)}, {Log: sealedLog(1, upTo(10)...), Number: 1}}
	rows, err := Translate(t.Context(), plain, sealed, Options{Claim: readClaim})
	if err != nil || len(rows) != 3 {
		t.Fatalf("%+v, %v", rows, err)
	}
	for i, want := range []struct {
		state  State
		offset int64
	}{{Found, 4}, {NoPosition, -1}, {NoPlace, -1}} {
		if rows[i].State != want.state || rows[i].Offset != want.offset {
			t.Errorf("row %d: %+v, want %+v", i, rows[i], want)
		}
	}
	if IsReady(rows) || !IsReady(rows[:2]) || IsReady(rows[1:2]) || IsReady(nil) {
		t.Error("readiness")
	}
}

// TestMixed has the envelopes of two partitions in each of two logs. A reader
// that begins at the offsets misses no message that it has yet to read, and
// each offset is the last one of which that is so. Without a position in a
// partition it has yet to read all of it.
func TestMixed(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		sizes, next := []int64{rnd.Int64N(30), rnd.Int64N(30)}, make([]int64, 2)
		logs := []*memoryLog{{place: "out/0"}, {place: "out/1"}}
		plain := make([]Plain, 2)
		for p := range plain {
			next[p] = rnd.Int64N(sizes[p]+2) - 1
			plain[p] = Plain{Log: plainLog(p, upTo(sizes[p])...), Source: source, Number: uint16(p), Next: next[p], SealedTo: -1}
		}
		at := []int64{0, 0}
		for at[0] < sizes[0] || at[1] < sizes[1] {
			p := rnd.IntN(2)
			if at[p] == sizes[p] {
				continue
			}
			l := logs[rnd.IntN(2)]
			value := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint16(nil, uint16(p)), uint64(at[p]))
			l.put(l.end+rnd.Int64N(2), at[p], value)
			at[p]++
		}
		rows, err := Translate(t.Context(), plain, []Sealed{{Log: logs[0]}, {Log: logs[1], Number: 1}}, Options{Claim: readClaim})
		if err != nil {
			t.Fatal(err)
		}
		if sizes[0]+sizes[1] == 0 {
			continue // then nothing says that partitions are mixed
		}
		if next[0] < 0 && next[1] < 0 {
			if IsReady(rows) || rows[0].State != NoPosition {
				t.Fatalf("seed %d: %+v", seed, rows)
			}
			continue
		}
		for i, l := range logs {
			want := l.end
			for _, m := range slices.Backward(l.messages) {
				c, _ := readClaim(&m)
				if int64(c.Offset) >= next[c.Partition] {
					want = m.Origin.Offset
				}
			}
			if len(rows) != 2 || !rows[i].State.IsUsable() || rows[i].Offset != want {
				t.Fatalf("seed %d: %+v, want %d", seed, rows, want)
			}
		}
	}
}

// TestMixedMissing has an envelope gone that the readers have yet to read. Its
// neighbors, of which one has no position, are named as well.
func TestMixedMissing(t *testing.T) {
	l := &memoryLog{place: "out/0"}
	for i, at := range []int64{0, 1, 3} {
		for p := range 2 {
			l.put(int64(2*i+p), at, claim(uint16(p), at))
			l.messages[2*i+p].Value[0] &^= samePartition >> 8
		}
	}
	plain := []Plain{
		{Log: plainLog(0, upTo(4)...), Source: source, Number: 0, Next: 2, SealedTo: -1},
		{Log: plainLog(1, upTo(4)...), Source: source, Number: 1, Next: -1, SealedTo: -1},
	}
	sealed := []Sealed{{Log: l}, {Log: &memoryLog{place: "out/1"}, Number: 1}}
	for skip, want := range map[bool]State{false: Missing, true: Found} {
		rows, err := Translate(t.Context(), plain, sealed, Options{Claim: readClaim, SkipMissing: skip})
		if err != nil || len(rows) != 2 || rows[0].State != want || IsReady(rows) != skip ||
			!strings.Contains(rows[0].Note, "in/0@2 is not among") || !strings.Contains(rows[0].Note, "no position in in/1") {
			t.Errorf("%+v, %v, want %s", rows, err, want)
		}
	}
}

func TestMixedNotYet(t *testing.T) {
	l := &memoryLog{place: "out/0"}
	for i := range int64(4) {
		l.put(i, i, claim(0, i)[:10])
		l.messages[i].Value[0] &^= samePartition >> 8
	}
	plain := []Plain{
		{Log: plainLog(0, upTo(4)...), Source: source, Number: 0, Next: 2, SealedTo: -1},
		{Log: plainLog(1, upTo(4)...), Source: source, Number: 1, Next: 2, SealedTo: -1},
	}
	sealed := []Sealed{{Log: l}, {Log: &memoryLog{place: "out/1"}, Number: 1}}
	rows, err := Translate(t.Context(), plain, sealed, Options{Claim: readClaim})
	if err != nil || len(rows) != 2 || rows[0].State != NotYet || rows[1].State != NotYet || IsReady(rows) {
		t.Errorf("%+v, %v", rows, err)
	}
}

// withoutKeys takes the keys from messages. Their times are of the size of a
// second of several messages each, as those of a batch are.
func withoutKeys(l *memoryLog, each int64) *memoryLog {
	for i := range l.messages {
		m := &l.messages[i]
		number, err := strconv.ParseInt(string(m.Key), 10, 64)
		if err != nil {
			panic(err)
		}
		m.Key, m.Time = nil, time.Unix(number/each, 0)
	}
	return l
}

func TestCopies(t *testing.T) {
	copyOf := func(keys ...int64) *memoryLog {
		l := &memoryLog{place: "copy/0"}
		for i, key := range keys {
			l.put(int64(i)*2, key, nil) // marks between
			l.messages[i].Time = time.Unix(key, 0)
		}
		return l
	}
	twice := withoutKeys(sealedLog(0, upTo(9)...), 4)
	twice.put(9, 0, claim(0, 8)) // the last one again
	twice.messages[9].Key, twice.messages[9].Time = nil, time.Unix(2, 0)
	for _, test := range []struct {
		name    string
		sealed  *memoryLog
		copied  *memoryLog
		next    int64
		compact bool
		state   State
		offset  int64
	}{
		{"counted", sealedLog(0, upTo(9)...), copyOf(upTo(9)...), 4, false, Found, 8},
		{"at the end", sealedLog(0, upTo(9)...), copyOf(upTo(9)...), 9, false, AtEnd, 17},
		{"not decrypted yet", sealedLog(0, upTo(9)...), copyOf(upTo(3)...), 5, false, NotYet, -1},
		{"the next one is not decrypted yet", sealedLog(0, upTo(9)...), copyOf(upTo(5)...), 5, false, NotYet, -1},
		{"one was set aside", sealedLog(0, upTo(9)...), copyOf(without(upTo(9), 2)...), 4, false, NotCounted, -1},
		{"duplicates", sealedLog(0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8), copyOf(upTo(9)...), 4, false, NotCounted, -1},
		{"deleted", sealedLog(0, upTo(9)...), cutLog(copyOf(upTo(9)...), 2), 4, false, NotCounted, -1},
		{"compacted", sealedLog(0, upTo(9)...), copyOf(upTo(9)...), 4, true, NotCounted, -1},
		{"no keys", withoutKeys(sealedLog(0, upTo(9)...), 1), withoutKeys(copyOf(upTo(9)...), 1), 4, false, Found, 8},
		{
			"no keys, and one was set aside", withoutKeys(sealedLog(0, upTo(9)...), 1),
			withoutKeys(copyOf(without(upTo(9), 2)...), 1), 4, false, NotCounted, -1,
		},
		{"batches", withoutKeys(sealedLog(0, upTo(9)...), 4), withoutKeys(copyOf(upTo(9)...), 4), 5, false, Found, 10},
		{
			"one of the same batch was set aside before it", withoutKeys(sealedLog(0, upTo(9)...), 4),
			withoutKeys(copyOf(without(upTo(9), 4)...), 4), 5, false, NotCounted, -1,
		},
		{
			"one of the batch before was set aside", withoutKeys(sealedLog(0, upTo(9)...), 4),
			withoutKeys(copyOf(without(upTo(9), 3)...), 4), 5, false, NotCounted, -1,
		},
		{
			"its batch is not decrypted as a whole", withoutKeys(sealedLog(0, upTo(9)...), 4),
			withoutKeys(copyOf(upTo(7)...), 4), 5, false, NotYet, -1,
		},
		{"a duplicate behind it", twice, withoutKeys(copyOf(upTo(9)...), 4), 8, false, Found, 16},
		{
			"the copy goes on", withoutKeys(sealedLog(0, upTo(6)...), 4),
			withoutKeys(copyOf(upTo(9)...), 4), 5, false, Found, 10,
		},
		{"the copy goes on behind the end", sealedLog(0, upTo(6)...), copyOf(upTo(9)...), 6, false, AtEnd, 12},
	} {
		t.Run(test.name, func(t *testing.T) {
			for i := range test.sealed.messages {
				if m := &test.sealed.messages[i]; m.Key != nil { // as the plaintext has it
					number, _ := strconv.ParseInt(string(m.Key), 10, 64)
					m.Time = time.Unix(number, 0)
				}
			}
			rows, err := Translate(t.Context(),
				[]Plain{{Log: plainLog(0, upTo(test.sealed.end)...), Source: source, Next: test.next, SealedTo: -1}},
				[]Sealed{{Log: test.sealed, Copy: test.copied, Compacted: test.compact}}, Options{Claim: readClaim})
			if err != nil || rows[0].State != test.state || rows[0].ToOffset != test.offset {
				t.Errorf("%+v, %v, want %s at %d", rows, err, test.state, test.offset)
			}
		})
	}
}

// FuzzRisingLogs compares bisection with a look at all envelopes.
func FuzzRisingLogs(f *testing.F) {
	f.Add(uint64(1), int64(5))
	f.Fuzz(func(t *testing.T, seed uint64, next int64) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		plain, sealed := &memoryLog{place: "in/0"}, &memoryLog{place: "out/0"}
		for range rnd.IntN(60) {
			at := plain.end + rnd.Int64N(3)
			plain.put(at, at, nil)
			sealed.put(sealed.end+rnd.Int64N(3), at, claim(0, at))
		}
		p := []Plain{{Log: plain, Source: source, Next: next % (plain.end + 2), SealedTo: -1}}
		fast, err := Translate(t.Context(), p, []Sealed{{Log: sealed}}, Options{Claim: readClaim})
		if err != nil {
			t.Fatal(err)
		}
		slow, err := Translate(t.Context(), p, []Sealed{{Log: sealed}}, Options{Claim: readClaim, Scan: true})
		if err != nil || fast[0].State != slow[0].State || fast[0].Offset != slow[0].Offset {
			t.Fatalf("%+v, %+v, %v", fast, slow, err)
		}
	})
}
