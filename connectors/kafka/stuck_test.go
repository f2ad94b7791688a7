package kafka

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestStuckEnds: a place that is told to be stuck behind a transaction is told
// to go on when that ends, and when the lane is let go while it waits: somebody
// else may read it then.
func TestStuckEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(r *run, open *kgo.Client) error{
		"commit": func(_ *run, open *kgo.Client) error { return open.EndTransaction(t.Context(), kgo.TryCommit) },
		"abort":  func(_ *run, open *kgo.Client) error { return open.EndTransaction(t.Context(), kgo.TryAbort) },
		"stop":   func(r *run, _ *kgo.Client) error { return r.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			b.topic("in", 1)
			b.put("in", 1, numbered(0, 10))
			open := b.begun("in", 0, numbered(10, 5))
			var stuck atomic.Bool
			src := b.source(b.connect(nil), SourceOptions{
				Topic: "in", Group: "g", Stuck: func(_ string, waitsFor error) { stuck.Store(waitsFor != nil) },
			})
			src.timing.told, src.timing.urgent = time.Millisecond, 50*time.Millisecond
			sink := b.sink(src.cluster, SinkOptions{Topic: "out", Source: src, Create: true})
			r := start(t, pipeline.Options{Source: src, Sink: sink})
			b.eventually("the word that it is stuck", stuck.Load)
			if err := end(r, open); err != nil {
				t.Fatal(err)
			}
			b.eventually("the word that it goes on", func() bool { return !stuck.Load() })
		})
	}
}
