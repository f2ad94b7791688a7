package proof

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

// TestTable: the table holds the same as a map, after any puts and removals.
func TestTable(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var all table
	all.keyed = true
	want := map[[2]int64]uint64{}
	for range 200_000 {
		place, offset := rnd.Uint32N(3), rnd.Int64N(5000)
		e := newEntry(place, rnd.IntN(2) == 0, offset)
		id := [2]int64{int64(place)<<1 | int64(e.atHigh>>16&1), offset}
		key, there := want[id]
		found, got := all.findEntry(&e)
		if (found != nil) != there || got != key {
			t.Fatalf("%v: found %v, want %v", id, found, there)
		}
		if there && rnd.IntN(2) == 0 {
			all.removeEntry(&e)
			delete(want, id)
		} else if !there {
			key := rnd.Uint64()
			all.putEntry(&e, key)
			want[id] = key
		}
	}
	seen := 0
	all.visitEntries(func(e *entry, key uint64) {
		seen++
		if want[[2]int64{int64(e.place())<<1 | int64(e.atHigh>>16&1), e.offset()}] != key {
			t.Fatalf("place %d offset %d", e.place(), e.offset())
		}
	})
	if seen != len(want) || all.used != len(want) || seen == 0 {
		t.Errorf("%d entries, %d used, want %d", seen, all.used, len(want))
	}
}

// TestEntry: an entry keeps the largest position.
func TestEntry(t *testing.T) {
	e := newEntry(maxPlaces-1, true, maxOffset)
	if e.place() != maxPlaces-1 || !e.sealed() || e.offset() != maxOffset {
		t.Errorf("%d %v %d", e.place(), e.sealed(), e.offset())
	}
}

// TestDigests: every part of a record counts, null and empty are not the same,
// and no two records have one encoding.
func TestDigests(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000)
	contents := map[string]Content{
		"nothing":         {},
		"offset":          {Offset: 1},
		"empty key":       {Key: []byte{}},
		"empty value":     {Value: []byte{}},
		"both empty":      {Key: []byte{}, Value: []byte{}},
		"key":             {Key: []byte("ab"), Value: []byte("c")},
		"value":           {Key: []byte("a"), Value: []byte("bc")},
		"time":            {Key: []byte("a"), Value: []byte("bc"), Time: at},
		"other time":      {Key: []byte("a"), Value: []byte("bc"), Time: at.Add(time.Millisecond)},
		"header":          {Headers: []Header{{"a", []byte("b")}}},
		"null header":     {Headers: []Header{{"a", nil}}},
		"empty header":    {Headers: []Header{{"a", []byte{}}}},
		"header's name":   {Headers: []Header{{"ab", []byte{}}}},
		"two headers":     {Headers: []Header{{"a", []byte("b")}, {"c", []byte("d")}}},
		"order":           {Headers: []Header{{"c", []byte("d")}, {"a", []byte("b")}}},
		"large":           {Value: make([]byte, maxQuick)},
		"larger":          {Value: make([]byte, maxQuick+1)},
		"header in value": {Value: []byte("\x00\x00\x00\x01a\x01\x00\x00\x00\x01b")},
	}
	for _, newDigester := range []func([]byte) *Digester{NewDigester, NewQuickDigester} {
		compareDigests(t, contents, newDigester)
	}
}

func compareDigests(t *testing.T, contents map[string]Content, newDigester func(key []byte) *Digester) {
	t.Helper()
	d, other := newDigester(make([]byte, 32)), newDigester([]byte("another key of thirty-two bytes."))
	seen := map[[DigestSize]byte]string{}
	for name, content := range contents {
		digest := d.SumContent(&content)
		if seen[digest] != "" {
			t.Errorf("%s has the digest of %s", name, seen[digest])
		}
		if digest == other.SumContent(&content) {
			t.Errorf("%s: the key does not count", name)
		}
		if digest != d.SumContent(&content) {
			t.Errorf("%s: another digest the second time", name)
		}
		seen[digest] = name
	}
	if d.SumKey([]byte("a")) == d.SumKey([]byte("b")) || d.SumKey([]byte("a")) == other.SumKey([]byte("a")) {
		t.Error("hashes of keys")
	}
}

// A quick digest leaves no plaintext, and is none of those that reports have.
func TestQuickDigest(t *testing.T) {
	key := make([]byte, 32)
	d := NewQuickDigester(key)
	content := Content{Offset: 7, Key: []byte("key"), Value: []byte("a value")}
	digest := d.SumContent(&content)
	if bytes.Contains(d.buf[:cap(d.buf)], content.Key) || bytes.Contains(d.buf[:cap(d.buf)], content.Value) {
		t.Error("plaintext is left in the buffer")
	}
	if [16]byte(digest[16:]) != [16]byte{} || [16]byte(digest[:]) == [16]byte{} {
		t.Errorf("digest %x", digest)
	}
	lasting := NewDigester(key)
	if lasting.SumContent(&content) == digest || lasting.SumKey([]byte("a")) != d.SumKey([]byte("a")) {
		t.Error("digests")
	}
}

// Sums are those of math/big.
func TestSums(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var sum [DigestSize]byte
	want := new(big.Int)
	for range 1000 {
		var digest [DigestSize]byte
		for i := range digest {
			digest[i] = byte(rnd.Uint32()) | byte(int8(rnd.Uint32())>>7) // many carries
		}
		addSum(&sum, &digest)
		want.Add(want, new(big.Int).SetBytes(digest[:]))
		want.Mod(want, new(big.Int).Lsh(big.NewInt(1), 256))
		if new(big.Int).SetBytes(sum[:]).Cmp(want) != 0 {
			t.Fatalf("%x, want %x", sum, want)
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	content := Content{Key: []byte("order-117"), Value: make([]byte, 1<<10)}
	for name, d := range map[string]*Digester{
		"lasting": NewDigester(make([]byte, 32)), "quick": NewQuickDigester(make([]byte, 32)),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				d.SumContent(&content)
			}
		})
	}
}
