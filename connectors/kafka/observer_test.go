package kafka

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// witness writes down what it is told.
type witness struct {
	mu        sync.Mutex
	ends      []error             // of lanes
	last      map[string][2]int64 // positions and ends, as of the end of their lanes
	before    map[string][2]int64 // the same as of the beginning
	fetched   int                 // bytes
	produced  int                 // bytes
	committed int                 // transactions
	aborted   int                 // transactions
	retried   map[string]int      // requests
}

func (w *witness) ServeLane(places func(func(string, int64, int64))) func(error) {
	look := func() map[string][2]int64 {
		m := make(map[string][2]int64)
		places(func(place string, position, end int64) { m[place] = [2]int64{position, end} })
		return m
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.before == nil {
		w.before = look()
	}
	return func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ends = append(w.ends, err)
		w.last = look()
	}
}

func (w *witness) FetchBytes(n int) { w.mu.Lock(); w.fetched += n; w.mu.Unlock() }

func (w *witness) ProduceBytes(n int) { w.mu.Lock(); w.produced += n; w.mu.Unlock() }

func (w *witness) EndTransaction(committed bool, open time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if committed && open >= 0 {
		w.committed++
	} else {
		w.aborted++
	}
}

func (w *witness) RetryRequest(what string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.retried == nil {
		w.retried = make(map[string]int)
	}
	if err != nil {
		w.retried[what]++
	}
}

// TestObservers: a run that loses its lane once tells of both lanes, of how far
// they came, of its transactions, and of a request that was tried again.
func TestObservers(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(0, 100))
	w := new(witness)
	c, err := cluster.Connect(t.Context(), cluster.Options{Brokers: b.ListenAddrs(), Observer: w, Log: b.log()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.InvalidProducerIDMapping, Count: 1})
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.CoordinatorNotAvailable, Count: 1})
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}, Observer: w})
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true, Observer: w})
	if err := finish(t, pipeline.Options{Source: src, Sink: sink}); err != nil {
		t.Fatal(err)
	}
	if len(w.ends) != 2 || !errors.Is(w.ends[0], pipeline.ErrLost) || w.ends[1] != nil {
		t.Errorf("lanes ended with %v", w.ends)
	}
	if w.before["in/0"] != [2]int64{0, 100} || w.last["in/0"] != [2]int64{100, 100} {
		t.Errorf("the partition went from %v to %v", w.before, w.last)
	}
	if w.committed == 0 || w.aborted != 1 {
		t.Errorf("%d transactions committed, %d aborted", w.committed, w.aborted)
	}
	if w.fetched < 100 || w.produced < 200 { // all was written twice
		t.Errorf("%d bytes fetched, %d produced", w.fetched, w.produced)
	}
	if w.retried["offsets of group g"] == 0 {
		t.Errorf("tried again: %v", w.retried)
	}
}
