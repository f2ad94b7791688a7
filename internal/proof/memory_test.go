package proof

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// generator makes the records of a side without holding them.
type generator struct {
	count, step int64
}

// stepOf makes a sequence that leaps through all offsets: a prime.
const stepOf = 7_368_787

// feed gives all records of a side to add, in batches.
func (g generator) feed(b *testing.B, add func([]Record) error) {
	records := make([]Record, 0, 1000)
	for i := range g.count {
		offset := i * g.step % g.count
		r := Record{Place: "p", Offset: i, Placed: true, At: Position{Offset: offset}}
		binary.BigEndian.PutUint64(r.Digest[:], uint64(offset))
		if records = append(records, r); len(records) == cap(records) || i == g.count-1 {
			if err := add(records); err != nil {
				b.Error(err)
				return
			}
			records = records[:0]
		}
	}
}

// BenchmarkCompare compares ten million records with envelopes in order, and
// fewer in an order that has nothing to do with it, and reports the peak of
// memory.
func BenchmarkCompare(b *testing.B) {
	for _, test := range []struct {
		name   string
		count  int64
		step   int64
		passes int
	}{{"ordered", 10_000_000, 1, 1}, {"shuffled", 2_000_000, stepOf, 3}} {
		b.Run(test.name, func(b *testing.B) {
			for b.Loop() {
				c := New(Options{Passes: test.passes, AnySource: true})
				for more := true; more; more = c.FinishPass() {
					var both sync.WaitGroup
					both.Go(func() {
						defer c.EndPlain()
						generator{test.count, 1}.feed(b, func(r []Record) error { return c.AddPlain(b.Context(), r) })
					})
					both.Go(func() {
						defer c.EndSealed()
						generator{test.count, test.step}.feed(b, func(r []Record) error { return c.AddSealed(b.Context(), r) })
					})
					both.Wait()
				}
				r := c.Report()
				if r.Counts.Matched != test.count || r.Counts.Missing+r.Counts.Extra != 0 {
					b.Fatalf("%+v", r.Counts)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(test.count), "ns/record")
			b.ReportMetric(readPeak(b), "MiB-peak")
		})
	}
}

// readPeak returns the peak of the resident memory of this process, in MiB.
func readPeak(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if errors.Is(err, fs.ErrNotExist) {
		return 0 // not Linux
	}
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib / 1024
		}
	}
	return 0
}
