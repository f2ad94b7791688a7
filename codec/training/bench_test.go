package training_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/coding"
	"github.com/streamcrypt/streamcrypt/codec/training"
)

// BenchmarkCode codes payloads of a kind with and without a dictionary.
func BenchmarkCode(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var s training.Samples
	var payloads [][]byte
	for range 1000 {
		payloads = append(payloads, order(rnd))
		s.Add(order(rnd))
	}
	d, err := s.Train(training.DefaultSize)
	if err != nil {
		b.Fatal(err)
	}
	for _, level := range []int{1, 3, 7} {
		for _, with := range []*coding.Dictionary{nil, d} {
			b.Run(fmt.Sprintf("level=%d/dictionary=%v", level, with != nil), func(b *testing.B) {
				e, err := coding.NewEncoder(coding.Options{Level: level, Dictionary: with})
				if err != nil {
					b.Fatal(err)
				}
				e.Code(payloads[0], true)
				b.ReportAllocs()
				size := 0
				for n := range b.N {
					coded, _ := e.Code(payloads[n%len(payloads)], true)
					size += len(coded)
				}
				b.ReportMetric(float64(size)/float64(b.N), "B/message")
			})
		}
	}
}
