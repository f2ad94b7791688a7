package training_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/coding"
	"github.com/streamcrypt/streamcrypt/codec/training"
)

// order is a payload of a kind.
func order(rnd *rand.Rand) []byte {
	return fmt.Appendf(nil,
		`{"id":"%016x","customer":{"name":"customer %d","country":"DE"},"currency":"EUR","amount":%d,"status":"%s"}`,
		rnd.Uint64(), rnd.IntN(1000), rnd.IntN(1_000_000), []string{"paid", "open", "returned"}[rnd.IntN(3)])
}

// TestTrain: payloads of the kind become smaller with the dictionary than
// without, and open again.
func TestTrain(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var s training.Samples
	for range 3 * training.MaxSamples {
		s.Add(order(rnd))
	}
	if seen, chosen := s.Count(); seen != 3*training.MaxSamples || chosen != training.MaxSamples {
		t.Fatalf("%d seen, %d chosen", seen, chosen)
	}
	for _, size := range []int{training.MinSize, 8 << 10, training.DefaultSize, coding.MaxDictionary} {
		d, err := s.Train(size)
		if err != nil || len(d.Bytes()) > size {
			t.Fatalf("%d bytes: %v", size, err)
		}
		sizes := map[bool]int{}
		for _, with := range []bool{false, true} {
			o := coding.Options{Level: 3}
			if with {
				o.Dictionary = d
			}
			encoder, err := coding.NewEncoder(o)
			if err != nil {
				t.Fatal(err)
			}
			decoder := coding.NewDecoder(1 << 20)
			for range 100 {
				payload := order(rnd)
				coded, compressed := encoder.Code(payload, true)
				sizes[with] += len(coded)
				c := coding.Coding{Compressed: compressed, Dictionary: o.Dictionary}
				if out, err := decoder.Append(nil, coded, c); err != nil || string(out) != string(payload) {
					t.Fatal(err)
				}
			}
		}
		if sizes[true]*10 > sizes[false]*8 {
			t.Errorf("dictionary of %d bytes: %d bytes with it, %d without", size, sizes[true], sizes[false])
		}
	}
}

// TestNothingToTrain: samples of which no dictionary can be made are an error.
func TestNothingToTrain(t *testing.T) {
	for name, payload := range map[string]func(i int) []byte{
		"none":       func(int) []byte { return nil },
		"all alike":  func(int) []byte { return []byte("x") },
		"one a byte": func(i int) []byte { return []byte{byte(i)} },
	} {
		var s training.Samples
		for i := range 50 {
			s.Add(payload(i))
		}
		if d, err := s.Train(training.DefaultSize); err == nil {
			if _, err := coding.ParseDictionary(d.Bytes()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	var s training.Samples
	if _, err := s.Train(100); err == nil {
		t.Error("a dictionary of 100 bytes")
	}
}
