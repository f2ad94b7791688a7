package kafka

import (
	"errors"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestTruncatedBatch: a batch that the broker answers cut short again and again, although the answer had room for it, ends
// the run by its name.
func TestTruncatedBatch(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(0, 5))
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})
	whole := five(t)
	b.answers(whole[:len(whole)-1])
	err := finish(t, pipeline.Options{Source: src, Sink: sink})
	if err == nil || !strings.Contains(err.Error(), "in/0@0") {
		t.Errorf("got %v", err)
	}
}

// TestDestinationMadeAnew: what is written after the destination was deleted and made again during a run follows on nothing,
// so the lane parks.
func TestDestinationMadeAnew(t *testing.T) {
	t.Parallel()
	for kind, delivery := range map[string]Delivery{"exactly once": ExactlyOnce, "at least once": AtLeastOnce} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			b.topic("in", 1)
			b.put("in", 1, numbered(0, 20))
			r, parked := b.watched(delivery, 1)
			b.eventually("the first messages", b.caughtUp)
			b.anew("out", 1)
			b.put("in", 1, numbered(20, 20))
			b.eventually("a parked lane, or the rest", func() bool { return len(parked) > 0 || b.caughtUp() })
			select {
			case err := <-parked:
				if !errors.Is(err, ErrReplaced) {
					t.Errorf("parked with %v", err)
				}
			default:
				t.Error("messages were written to another topic of the same name, without a word")
			}
			if err := r.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}
