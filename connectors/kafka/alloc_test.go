package kafka

import (
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// spread are messages of several partitions, in runs, with headers.
func spread(n, parts int) []pipeline.Message {
	msgs := numbered(0, n)
	for i := range msgs {
		msgs[i].Value = make([]byte, 200)
		msgs[i].Headers = []pipeline.Header{{Name: "trace-id", Value: []byte("x")}}
		msgs[i].Origin = pipeline.Origin{Place: cluster.PlaceOf("in", int32(i*parts/n)), Offset: int64(i)}
	}
	return msgs
}

// TestPackAllocations: making record batches of messages allocates nothing,
// whatever their number.
func TestPackAllocations(t *testing.T) {
	const parts = 20
	c := &cluster.Cluster{}
	w := &writer{sink: &Sink{SinkOptions: SinkOptions{Topic: "out"}, cluster: c}, producer: newProducer(c, "", 0)}
	w.outlets.byTopic = map[string]*outlet{"": {
		to:     &destination{Topic: c.NewTopic("out"), maxBatch: defaultMaxBatch},
		chains: make(map[int32]*chain), partitioner: partitioner{partitions: parts, kafka: true},
	}}
	w.producer.next = make(map[string][]int32)
	msgs := spread(4000, parts)
	pack := func() {
		w.sortByPartition(t.Context(), msgs)
		for len(w.order) > 0 {
			if err := w.packRound(msgs); err != nil {
				t.Fatal(err)
			}
		}
	}
	pack()
	if len(w.parcels) != parts {
		t.Errorf("%d batches for %d partitions", len(w.parcels), parts)
	}
	if n := testing.AllocsPerRun(20, pack); n > 0 {
		t.Errorf("%v allocations for %d messages", n, len(msgs))
	}
}

// TestTakeAllocations: handing out what was fetched allocates nothing per
// message.
func TestTakeAllocations(t *testing.T) {
	const count = 4000
	var a batch.Appender
	a.Begin(nil)
	for _, m := range spread(count, 1) {
		a.Append(&m)
	}
	set, err := a.Finish(anonymous, nil)
	if err != nil {
		t.Fatal(err)
	}
	in := &fetcher{}
	p := &partition{place: "in/0", stopAt: -1, choice: replicaChoice{replica: -1}}
	in.parts = []*partition{p}
	taken := 0
	take := func() {
		p.next = 0
		p.reader.Reset(p.place, set, 0)
		in.queue = append(in.queue[:0], p)
		in.current = &sharedAnswer{answer: new(wire.FetchResponse)}
		in.current.users.Store(2) // ours is never given back
		for taken = 0; in.current != nil; {
			if b, ok := in.nextBatch(64 << 10); ok {
				taken += len(b.Messages)
				b.Release()
			}
		}
	}
	take()
	if taken != count {
		t.Errorf("%d of %d messages", taken, count)
	}
	if n := testing.AllocsPerRun(20, take); n > 20 { // of the answer and its parts
		t.Errorf("%v allocations for %d messages", n, count)
	}
}
