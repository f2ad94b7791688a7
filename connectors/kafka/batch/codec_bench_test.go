//go:build unix

package batch

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"syscall"
	"testing"
)

// routeLimit is the collector's limit of a route with two workers and two
// lanes, in bytes.
const routeLimit = (2*8 + 2*3 + 2*10 + 32) << 20

// BenchmarkCodecs reads batches of 1 MiB as a Go client compresses them, in two
// lanes, beside the memory that two workers and the client hold and the little
// that they allocate for each batch, under the collector's limit of their
// route. It reports the processor time per GB of payload, the collector's share
// of it and its cycles.
func BenchmarkCodecs(b *testing.B) {
	const count = 1000
	records := make([]raw, count)
	for i := range records {
		value := fmt.Sprintf(`{"id":%d,"account":"%08x","amount":%d,"note":"`, i, i*2654435761, i*i%99991)
		for len(value) < 1000 {
			value += fmt.Sprintf("%x ", (i+len(value))*40503%65536)
		}
		records[i] = raw{offset: int64(i), value: []byte(value)}
	}
	sets := map[string][]byte{"none": encode(0, records, nil)}
	names := []string{"none"}
	for i := range codecs {
		name := codecs[i].is.String()
		names = append(names, name)
		sets[name] = encode(0, records, compressed(b, i))
	}
	for _, name := range names {
		set := sets[name]
		b.Run(name, func(b *testing.B) {
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(routeLimit))
			held := make([]byte, 32<<20) // by workers and client
			for i := range held {
				held[i] = 1
			}
			before := readCollector()
			b.ResetTimer()
			var lanes sync.WaitGroup
			for range 2 {
				lanes.Go(func() { readSets(b, set, b.N/2+1) })
			}
			lanes.Wait()
			b.StopTimer()
			after := readCollector()
			gb := float64(b.N/2+1) * 2 * count * 1000 / 1e9
			b.ReportMetric((after.process-before.process)/gb, "core-s/GB")
			b.ReportMetric(float64(after.cycles-before.cycles)/gb, "gc/GB")
			b.ReportMetric(100*(after.collector-before.collector)/(after.scheduled-before.scheduled), "%gc")
			held[0] = 2
		})
	}
}

// readSets reads a set as a lane does, n times.
func readSets(b *testing.B, set []byte, n int) {
	var r Reader
	var turns [3]Records
	for turn := range n {
		runtime.KeepAlive(make([]byte, 128<<10))
		r.Reset("orders/3", set, 0)
		for {
			if _, err := r.Next(); err == io.EOF {
				break
			} else if err != nil {
				b.Error(err)
				return
			}
			for more := true; more; turn++ {
				into := &turns[turn%len(turns)]
				into.Reset()
				var err error
				if more, err = r.Read(into, 3<<20); err != nil {
					b.Error(err)
					return
				}
			}
		}
	}
}

// collected is the time that the collector and the process have taken so far,
// in seconds. The runtime's figures count a processor that the system has given
// to somebody else meanwhile, so they are good for a share only.
type collected struct {
	cycles               uint64
	collector, scheduled float64 // by the runtime
	process              float64 // by the system
}

func readCollector() (c collected) {
	samples := []metrics.Sample{
		{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/cpu/classes/gc/mark/idle:cpu-seconds"},
		{Name: "/cpu/classes/total:cpu-seconds"}, {Name: "/cpu/classes/idle:cpu-seconds"},
	}
	runtime.GC() // the sums are brought up to date by a collection
	metrics.Read(samples)
	idle := samples[2].Value.Float64()
	c.cycles, c.collector = samples[0].Value.Uint64(), samples[1].Value.Float64()-idle
	c.scheduled = samples[3].Value.Float64() - samples[4].Value.Float64() - idle
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // of this process it always can
	c.process = float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	return c
}
