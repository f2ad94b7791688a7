package kafka

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// The requests of a transaction.
var transactional = []kmsg.Key{kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit, kmsg.EndTxn}

// fault is what happens to one of the requests of a transaction.
type fault struct {
	name   string
	inject func(b *broker, key kmsg.Key, when func(nth int64) bool) (hits func() int)
}

// TestTransactionFaults lets each request of some transaction fail in each way
// there is, with four workers on one partition, or on three of one lane. A
// later transaction must never hold what builds on one that was taken back.
func TestTransactionFaults(t *testing.T) {
	t.Parallel()
	ways := []fault{
		{"refused", refuse(kerr.UnknownServerError, nil)},
		{"refused in one partition", refuse(kerr.UnknownServerError, []int32{1})},
		{"fenced", refuse(kerr.InvalidProducerEpoch, nil)},
		{"stale generation", refuse(kerr.IllegalGeneration, nil)},
		{"busy", refuse(kerr.CoordinatorLoadInProgress, nil)},
		{"done but timed out", refuse(kerr.RequestTimedOut, nil)},
		{"connection closed", hangUp},
	}
	whens := []struct {
		name string
		nth  func(int64) bool
	}{
		{"third", func(n int64) bool { return n == 3 }},
		{"third to sixth", func(n int64) bool { return n >= 3 && n <= 6 }},
		{"often", func(n int64) bool { return n*n*7919%31 < 10 && n < 40 }}, // without a rhythm; the last may be one of them
	}
	for _, protocol := range []struct {
		name string
		keys []kmsg.Key
		opts []kfake.Opt
	}{
		{"added by the client", transactional, []kfake.Opt{beforeKIP890}},
		{"added by the broker", []kmsg.Key{kmsg.Produce, kmsg.TxnOffsetCommit, kmsg.EndTxn}, nil},
	} {
		for _, way := range ways {
			for _, key := range protocol.keys {
				parts := 1
				if way.name == "refused in one partition" {
					parts = 3
					if key == kmsg.AddOffsetsToTxn || key == kmsg.EndTxn {
						continue // they are of no partition
					}
				}
				for i, when := range whens {
					if i > 0 && (way.name == "fenced" || way.name == "stale generation") {
						continue // as refused
					}
					t.Run(protocol.name+"/"+way.name+"/"+key.Name()+"/"+when.name, func(t *testing.T) {
						t.Parallel()
						b := startBroker(t, protocol.opts...)
						testTransactionFault(t, b, parts, func() func() int { return way.inject(b, key, when.nth) })
					})
				}
			}
		}
	}
}

// beforeKIP890 is a cluster in which clients add partitions to transactions.
var beforeKIP890 = kfake.MaxVersions(kversion.V3_8_0())

func testTransactionFault(t *testing.T, b *broker, parts int, inject func() func() int) {
	t.Helper()
	const n = 300
	b.topic("in", parts)
	b.put("in", parts, numbered(0, n))
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}, Workers: 1})
	src.timing.transaction = 0 // one for every write
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true, Delivery: ExactlyOnce})
	hits := inject()
	err := finish(t, pipeline.Options{Source: src, Sink: sink, Workers: 4, ReadAhead: 8 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if hits() == 0 {
		t.Fatal("nothing was injected")
	}
	if err := onceInOrder(b.committed("out"), n); err != nil {
		t.Error(err)
	}
	for p := range parts {
		if at := b.offsetOf("g", "in", int32(p)); at != int64(n/parts) {
			t.Errorf("the group is at %d of %d", at, n/parts)
		}
	}
}

// refuse answers some requests with an error.
func refuse(code *kerr.Error, partitions []int32) func(*broker, kmsg.Key, func(int64) bool) func() int {
	return func(b *broker, key kmsg.Key, when func(int64) bool) func() int {
		var (
			seen   int64
			last   kmsg.Request
			refuse bool
		)
		h := b.Fault(kfake.Fault{
			Keys: []kmsg.Key{key}, Err: code, Count: -1, Partitions: partitions,
			When: func(req kmsg.Request) bool { // it is asked about every part of a request
				if req != last {
					seen++
					last, refuse = req, when(seen)
				}
				return refuse
			},
		})
		return h.Hits
	}
}

// hangUp closes the connection in place of handling some requests.
func hangUp(b *broker, key kmsg.Key, when func(int64) bool) func() int {
	var seen, hits atomic.Int64
	b.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
		if !when(seen.Add(1)) {
			return nil, nil, false
		}
		hits.Add(1)
		b.KeepControl()
		return nil, errors.New("hung up"), true
	})
	return func() int { return int(hits.Load()) }
}

// TestTransactionTimeout: a transaction that the brokers have aborted by
// themselves, since a request took too long, is written again.
func TestTransactionTimeout(t *testing.T) {
	t.Parallel()
	const n = 300
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(0, n))
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
	src.timing.transaction, src.timing.timeout = 0, 100*time.Millisecond
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})
	var seen atomic.Int64
	b.ControlKey(int16(kmsg.TxnOffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		if seen.Add(1) == 2 {
			b.DropControl()
			b.SleepControl(func() { time.Sleep(300 * time.Millisecond) }) // the broker's clock is the real one
		}
		return nil, nil, false
	})
	if err := finish(t, pipeline.Options{Source: src, Sink: sink, Workers: 4, ReadAhead: 8 << 10}); err != nil {
		t.Fatal(err)
	}
	if err := onceInOrder(b.committed("out"), n); err != nil {
		t.Error(err)
	}
}
