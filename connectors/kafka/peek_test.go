package kafka

import (
	"crypto/rand"
	"errors"
	"io"
	"testing"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// peeker opens one Peeker per partition of a topic.
func (b *broker) peekers(o SourceOptions) []*Peeker {
	b.t.Helper()
	o.Topic = "in"
	if !o.Until.Bounded() {
		o.Until.End = true
	}
	all, err := b.source(b.connect(nil), o).Peekers(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

// peeks looks at each of the offsets, and wants the record at another, or the
// end (-1).
func peeks(t *testing.T, p *Peeker, want map[int64]int64) {
	t.Helper()
	for at, offset := range want {
		m, err := p.Peek(t.Context(), at)
		switch {
		case offset < 0 && !errors.Is(err, io.EOF):
			t.Errorf("at %d: %v, want the end", at, err)
		case offset >= 0 && (err != nil || m.Origin.Offset != offset || m.Origin.Place != p.Place()):
			t.Errorf("at %d: %+v, %v, want %d", at, m.Origin, err, offset)
		}
	}
}

func TestPeek(t *testing.T) {
	b := startBroker(t)
	b.topic("in", 2)
	b.put("in", 2, numbered(0, 20)) // even ones to partition 0
	b.put("in", 2, numbered(20, 20))
	all := b.peekers(SourceOptions{})
	b.put("in", 2, numbered(40, 10)) // behind the end
	if len(all) != 2 || all[1].Place() != "in/1" {
		t.Fatalf("%d peekers", len(all))
	}
	p := all[1]
	if first, end := p.Bounds(); first != 0 || end != 20 {
		t.Errorf("from %d to %d", first, end)
	}
	peeks(t, p, map[int64]int64{-1: 0, 0: 0, 7: 7, 19: 19, 20: -1, 30: -1})
	m, err := p.Peek(t.Context(), 7)
	peeks(t, p, map[int64]int64{10: 10, 15: 15, 19: 19}) // which overwrites what m must not alias
	if err != nil || number(&m) != 15 || string(m.Key) != "k" {
		t.Errorf("%+v, %v", m, err)
	}

	some := b.peekers(SourceOptions{Partitions: []int32{1}, Start: Start{Offset: 5}, Until: Until{Offset: 9}})
	if first, end := some[0].Bounds(); len(some) != 1 || first != 5 || end != 9 {
		t.Errorf("%d peekers from %d to %d", len(some), first, end)
	}
	peeks(t, some[0], map[int64]int64{0: 5, 8: 8, 9: -1})
}

// TestPeekTransactions has committed records, aborted ones and markers: only
// the first are shown.
func TestPeekTransactions(t *testing.T) {
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(0, 5))                    // 0 to 4
	b.transact("in", 0, numbered(5, 3), kgo.TryAbort) // 5 to 7, and a marker at 8
	b.put("in", 1, numbered(8, 2))                    // 9, 10
	b.transact("in", 0, numbered(9, 1), kgo.TryAbort) // 11, 12
	p := b.peekers(SourceOptions{})[0]
	b.put("in", 1, numbered(10, 1)) // behind the end
	if _, end := p.Bounds(); end != 13 {
		t.Fatalf("the end is %d", end)
	}
	peeks(t, p, map[int64]int64{4: 4, 5: 9, 6: 9, 8: 9, 9: 9, 10: 10, 11: -1, 12: -1})
}

// TestPeekManyAborted has more aborted records in a row than one answer holds,
// and a record behind them for which no answer has room that begins before it.
func TestPeekManyAborted(t *testing.T) {
	b := startBroker(t)
	b.topic("in", 1)
	large := func(n, size int) []pipeline.Message {
		msgs := numbered(0, n)
		for i := range msgs {
			noise := make([]byte, size) // which the client cannot compress
			rand.Read(noise)
			msgs[i].Value = append(msgs[i].Value, noise...)
		}
		return msgs
	}
	for range 10 {
		b.transact("in", 0, large(2, 8<<10), kgo.TryAbort) // and a marker
	}
	b.put("in", 1, large(1, peekBytes))
	b.put("in", 1, numbered(0, 1))
	peeks(t, b.peekers(SourceOptions{})[0], map[int64]int64{0: 30, 1: 30, 29: 30, 30: 30, 31: 31})
}

func TestPeekAfterDeletion(t *testing.T) {
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(0, 20), kgo.ProducerLinger(0))
	p := b.peekers(SourceOptions{})[0]
	req := kmsg.NewPtrDeleteRecordsRequest()
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rt.Topic, rp.Offset = "in", 8
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	if _, err := req.RequestWith(t.Context(), b.client()); err != nil {
		t.Fatal(err)
	}
	peeks(t, p, map[int64]int64{0: 8, 7: 8, 8: 8, 19: 19})
}

// TestPeekFaults has a broker that is away for a while, and one that refuses.
func TestPeekFaults(t *testing.T) {
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(0, 3))
	p := b.peekers(SourceOptions{})[0]
	answer := func(times int, code int16) {
		for range times { // each is for one request
			b.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
				res := r.ResponseKind().(*kmsg.FetchResponse)
				rt, rp := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
				rt.Topic, rp.ErrorCode = "in", code
				rt.Partitions = append(rt.Partitions, rp)
				res.Topics = append(res.Topics, rt)
				return res, nil, true
			})
		}
	}
	answer(3, int16(kafkago.NotLeaderForPartition))
	peeks(t, p, map[int64]int64{1: 1})
	answer(3, 0) // nothing, for a while
	peeks(t, p, map[int64]int64{1: 1})
	answer(1, int16(kafkago.TopicAuthorizationFailed))
	if _, err := p.Peek(t.Context(), 1); !errors.Is(err, kafkago.TopicAuthorizationFailed) {
		t.Errorf("%v", err)
	}
	answer(peekPatience, 0)
	if _, err := p.Peek(t.Context(), 1); err == nil {
		t.Error("a broker that shows nothing is believed")
	}
}
