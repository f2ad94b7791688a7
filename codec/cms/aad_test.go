package cms

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestAADKeepsNothing: an AAD that has served any messages before gives the
// bytes that a new one gives.
func TestAADKeepsNothing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	used := NewAAD([]byte("orders"))
	some := func() []byte {
		switch n := rnd.IntN(4); n {
		case 0:
			return nil
		default:
			b := make([]byte, []int{0, 1, 23, 24, 300}[rnd.IntN(5)])
			for i := range b {
				b[i] = byte(rnd.Uint32())
			}
			return b
		}
	}
	for i := range 20_000 {
		b := Binding{Subject: some(), Key: some(), Kind: Kind(rnd.IntN(5)), Time: rnd.Int64() >> rnd.IntN(64)}
		if rnd.IntN(3) == 0 {
			b.Form = Form(rnd.IntN(16))
		}
		if rnd.IntN(3) == 0 {
			b.Dictionary = make([]byte, DictionarySize)
		}
		for n := rnd.IntN(3); n > 0 && rnd.IntN(3) == 0; n-- {
			b.Named = append(b.Named, NamedHeader{Name: "h", Values: [][]byte{some(), some()}})
			b.Headers = append(b.Headers, BoundHeader{Name: "h", Value: some()})
		}
		byReference, index, final := rnd.IntN(2) == 0, uint32(rnd.IntN(3)*30), rnd.IntN(2) == 0
		protected := bytes.Repeat([]byte{byte(i)}, 32+33*rnd.IntN(2))
		used.SetHeader(byReference, protected)
		fresh := NewAAD([]byte("orders"))
		fresh.SetHeader(byReference, protected)
		for range 1 + rnd.IntN(2) {
			if got, want := used.Bytes(&b, index, final), fresh.Bytes(&b, index, final); !bytes.Equal(got, want) {
				t.Fatalf("round %d: %+v\n got %x\nwant %x", i, b, got, want)
			}
		}
	}
}
