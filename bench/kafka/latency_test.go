package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// newProbe returns a probe of one topic of a broker in process.
func newProbe(t *testing.T) (context.Context, *job) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "probe"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx, &job{
		broker: cluster.ListenAddrs()[0], from: "probe", to: "probe", partitions: 2, size: 100, batch: 16 << 10,
	}
}

// TestProbe: a probe counts each record behind its warm-up once, and gives no
// record less time than it took.
func TestProbe(t *testing.T) {
	ctx, j := newProbe(t)
	j.records, j.pace = 500, 5000
	d, err := probeLatency(ctx, j)
	if err != nil {
		t.Fatal(err)
	}
	if d.Count != 300 { // of 500, the first 0.4 are the warm-up
		t.Errorf("%d records count, want 300", d.Count)
	}
	if d.P50 <= 0 || d.P99 < d.P50 || d.Max < d.P99 || d.Max > float64(time.Minute.Milliseconds()) {
		t.Errorf("%+v", d)
	}
}

// TestPauseCounts: while nobody reads, the records that fall due still have
// their times from the schedule.
func TestPauseCounts(t *testing.T) {
	ctx, j := newProbe(t)
	j.records, j.pace = 100, 1000
	const pause = 2 * time.Second
	d, err := readLate(ctx, j, pause)
	if err != nil {
		t.Fatal(err)
	}
	if d.P50 < float64(pause.Milliseconds())-100 {
		t.Errorf("p50 %.1f ms, after a pause of %v", d.P50, pause)
	}
}

// readLate reads the records of a probe that began so long ago.
func readLate(ctx context.Context, j *job, ago time.Duration) (*Delays, error) {
	begin := time.Now().Add(-ago)
	var failed firstError
	if err := writeProbes(ctx, j, begin, &failed); err != nil {
		return nil, err
	}
	return readProbes(ctx, j, begin)
}

func TestLatencyFigures(t *testing.T) {
	r := &Report{Latency: []Latency{
		{Contender: direct, Pace: 1000, Rounds: []Delays{{P50: 1, P99: 5}, {P50: 2, P99: 6}, {P50: 3, P99: 7}}},
		{Contender: encryptOnce, Pace: 1000, Rounds: []Delays{{P50: 3, P99: 30}, {P50: 5, P99: 16}, {P50: 7, P99: 8}}},
		{Contender: encryptExact, Pace: 1000, Rounds: []Delays{{P50: 50, P99: 300}, {P50: 60, P99: 300}, {P50: 70, P99: 300}}},
		{Contender: franzExact, Pace: 1000, Rounds: []Delays{{P50: 40, P99: 150}, {P50: 40, P99: 150}, {P50: 40, P99: 150}}},
	}}
	want := map[string]float64{
		"added delay, at least once, p50":                         3,
		"added delay, at least once, p99":                         10,
		"added delay, exactly once, p50":                          58,
		"delay, exactly once, above franz-go's transactions, p99": 150,
	}
	figures := r.latencyFigures()
	for i := range figures {
		if f := &figures[i]; f.Value != want[f.Name] {
			t.Errorf("%s: %v, want %v", f.Name, f.Value, want[f.Name])
		}
	}
	if len(figures) != len(want) {
		t.Errorf("%d figures, want %d", len(figures), len(want))
	}
	var table bytes.Buffer
	if err := r.WriteTables(&table); err != nil || !strings.Contains(table.String(), "| "+encryptOnce+" | 5.0 (3.0-7.0) |") {
		t.Errorf("%v\n%s", err, table.String())
	}
}
