package kafka

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// picky has a broker refuse the records of some numbers in a topic.
type picky struct {
	topic string
	code  *kerr.Error
	named bool // the answer names the records at fault

	mu      sync.Mutex
	numbers []int
	refused int // batches
}

func (b *broker) picky(topic string, code *kerr.Error, named bool, numbers ...int) *picky {
	p := &picky{topic: topic, code: code, named: named, numbers: numbers}
	b.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		res := p.answer(b.t, req.(*kmsg.ProduceRequest))
		return res, nil, res != nil
	})
	return p
}

// mend makes the topic take everything.
func (p *picky) mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.numbers = nil
}

// bad returns the indexes of the records of a batch that are not taken.
func (p *picky) bad(t testing.TB, set []byte) []int32 {
	return findRecords(t, set, func(m *pipeline.Message) bool { return slices.Contains(p.numbers, number(m)) })
}

// findRecords returns the indexes of the records of a batch that match.
func findRecords(t testing.TB, set []byte, matches func(*pipeline.Message) bool) (found []int32) {
	var r batch.Reader
	var records batch.Records
	r.Reset("", set, 0)
	if _, err := r.Next(); err != nil {
		t.Error(err)
	}
	if _, err := r.Read(&records, math.MaxInt); err != nil && err != io.EOF {
		t.Error(err)
	}
	for i := range records.Messages {
		if matches(&records.Messages[i]) {
			found = append(found, int32(i))
		}
	}
	return found
}

// answer refuses the batches with bad records, and asks for the others of the
// same request once more. It is nil if there are no bad ones.
func (p *picky) answer(t testing.TB, req *kmsg.ProduceRequest) kmsg.Response {
	p.mu.Lock()
	defer p.mu.Unlock()
	res, refused := req.ResponseKind().(*kmsg.ProduceResponse), 0
	for _, rt := range req.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic = rt.Topic
		for _, rp := range rt.Partitions {
			part := kmsg.NewProduceResponseTopicPartition()
			part.Partition, part.BaseOffset, part.LogStartOffset = rp.Partition, -1, -1
			part.ErrorCode = kerr.NotLeaderForPartition.Code
			if bad := p.bad(t, rp.Records); rt.Topic == p.topic && len(bad) > 0 {
				refused++
				part.ErrorCode = p.code.Code
				for _, i := range bad {
					if p.named {
						e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
						e.RelativeOffset = i
						part.ErrorRecords = append(part.ErrorRecords, e)
					}
				}
			}
			topic.Partitions = append(topic.Partitions, part)
		}
		res.Topics = append(res.Topics, topic)
	}
	if refused == 0 {
		return nil
	}
	p.refused += refused
	return res
}

// keyed gives each message a key of its own.
func keyed(first, n int) []pipeline.Message {
	msgs := numbered(first, n)
	for i := range msgs {
		msgs[i].Key = fmt.Appendf(nil, "%08d", first+i)
	}
	return msgs
}

// TestRefusedRecords: records that the topic does not take are set aside, or
// park their partitions, and nothing else is lost or doubled, in both
// deliveries and with both ways of choosing partitions.
func TestRefusedRecords(t *testing.T) {
	t.Parallel()
	bad := []int{7, 8, 51, 199, 298}
	answers := []struct {
		name   string
		code   *kerr.Error
		named  bool
		reason pipeline.Reason
	}{
		{"record", kerr.InvalidRecord, true, pipeline.ReasonRefused},
		{"timestamp", kerr.InvalidTimestamp, true, pipeline.ReasonRefused},
		{"size", kerr.MessageTooLarge, false, pipeline.ReasonTooLarge},
		{"unnamed record", kerr.InvalidRecord, false, pipeline.ReasonRefused},
	}
	for _, answer := range answers {
		for _, delivery := range []Delivery{ExactlyOnce, AtLeastOnce} {
			for _, by := range []Partitioning{SamePartition, ByKey} {
				for _, letters := range []bool{true, false} {
					t.Run(fmt.Sprintf("%s/%v/%v/letters %t", answer.name, delivery, by, letters), func(t *testing.T) {
						t.Parallel()
						b := startBroker(t)
						b.topic("in", 3)
						b.topic("dead", 1)
						b.put("in", 3, keyed(0, 300))
						broker := b.picky("out", answer.code, answer.named, bad...)
						carry := func() error {
							c := b.connect(nil)
							src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}, Workers: 2})
							sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true, Delivery: delivery, Partition: by})
							o := pipeline.Options{Source: src, Sink: sink, Workers: 3, ReadAhead: 4 << 10}
							if letters {
								o.DeadLetters = b.sink(c, SinkOptions{Topic: "dead", Source: src, DeadLetters: true})
							}
							return finish(t, o)
						}
						err := carry()
						if broker.refused == 0 {
							t.Fatal("nothing was refused")
						}
						if letters {
							checkLetters(t, b, err, bad, answer.reason)
							return
						}
						checkParked(t, b, err, bad, delivery, by)
						broker.mend()
						if err := carry(); err != nil {
							t.Fatal(err)
						}
						got := numbersOf(b.committed("out"))
						if delivery == AtLeastOnce && by == ByKey {
							got = slices.Compact(got) // written ahead in other partitions
						}
						if !slices.Equal(got, firstNumbers(300)) {
							t.Errorf("after it was mended: %v", got)
						}
					})
				}
			}
		}
	}
}

func numbersOf(msgs []pipeline.Message) []int {
	var numbers []int
	for i := range msgs {
		numbers = append(numbers, number(&msgs[i]))
	}
	slices.Sort(numbers)
	return numbers
}

func firstNumbers(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}

func checkLetters(t *testing.T, b *broker, err error, bad []int, reason pipeline.Reason) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(firstNumbers(300), func(n int) bool { return slices.Contains(bad, n) })
	if got := numbersOf(b.committed("out")); !slices.Equal(got, want) {
		t.Errorf("written: %v", got)
	}
	var origins []string
	for _, m := range b.committed("dead") {
		origins = append(origins, string(m.Headers[0].Value))
		if got := string(m.Headers[1].Value); got != string(reason) {
			t.Errorf("a dead letter for %s", got)
		}
	}
	slices.Sort(origins)
	var wanted []string
	for _, n := range bad {
		wanted = append(wanted, fmt.Sprintf("in/%d@%d", n%3, n/3))
	}
	slices.Sort(wanted)
	if !slices.Equal(origins, wanted) {
		t.Errorf("dead letters of %v, want %v", origins, wanted)
	}
	for p := range 3 {
		if at := b.offsetOf("g", "in", int32(p)); at != 100 {
			t.Errorf("the group is at in/%d@%d", p, at)
		}
	}
}

// checkParked checks that each partition has come to its first bad record.
func checkParked(t *testing.T, b *broker, err error, bad []int, delivery Delivery, by Partitioning) {
	t.Helper()
	parked, ok := errors.AsType[*pipeline.ParkedError](err)
	if !ok || len(parked.Parked) != 3 {
		t.Fatalf("ended with %v", err)
	}
	var want []int
	for p := range 3 {
		stop := slices.IndexFunc(firstNumbers(100), func(i int) bool { return slices.Contains(bad, 3*i+p) })
		if at := b.offsetOf("g", "in", int32(p)); at != int64(stop) {
			t.Errorf("the group is at in/%d@%d, want @%d", p, at, stop)
		}
		for i := range stop {
			want = append(want, 3*i+p)
		}
	}
	slices.Sort(want)
	got := numbersOf(b.committed("out"))
	if delivery == AtLeastOnce && by == ByKey {
		for _, n := range want {
			if !slices.Contains(got, n) {
				t.Errorf("message %d is missing", n)
			}
		}
		return
	}
	if !slices.Equal(got, want) {
		t.Errorf("written: %v, want %v", got, want)
	}
}

// TestRefusedAfterAnUnknownOutcome: a batch that may be stored already is not
// replaced by another one with its sequence: the lane begins again.
func TestRefusedAfterAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	for _, delivery := range []Delivery{ExactlyOnce, AtLeastOnce} {
		b := startBroker(t)
		b.topic("in", 1)
		b.topic("dead", 1)
		b.put("in", 1, numbered(0, 60))
		c := b.connect(nil)
		src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
		sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true, Delivery: delivery})
		letters := b.sink(c, SinkOptions{Topic: "dead", Source: src, DeadLetters: true})
		p := &picky{topic: "out", code: kerr.InvalidRecord, named: true, numbers: []int{33}}
		var seen atomic.Int64
		b.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			b.KeepControl()
			res := p.answer(t, req.(*kmsg.ProduceRequest))
			if res != nil && seen.Add(1) == 1 {
				return nil, errors.New("hung up"), true
			}
			return res, nil, res != nil
		})
		watch := new(pipelinetest.Recorder)
		err := finish(t, pipeline.Options{Source: src, Sink: sink, DeadLetters: letters, ReadAhead: 2 << 10, Observer: watch})
		if err != nil || watch.Totals().LostLanes != 1 {
			t.Errorf("%v: %d lanes lost, %v", delivery, watch.Totals().LostLanes, err)
		}
		want := slices.DeleteFunc(firstNumbers(60), func(n int) bool { return n == 33 })
		if got := numbersOf(b.committed("out")); !slices.Equal(slices.Compact(got), want) {
			t.Errorf("%v: written %v", delivery, got)
		}
	}
}

// TestUnreadableBatch: a batch that cannot be read is one dead letter, with the
// offsets that it stands for, and reading goes on behind it.
func TestUnreadableBatch(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.topic("dead", 1)
	whole := five(t)
	at := func(base byte, spoil bool) []byte {
		raw := slices.Clone(whole)
		raw[7] = base
		if spoil {
			raw[22] |= 7 // a codec that there is not
		}
		return sealed(raw)
	}
	b.put("in", 1, numbered(0, 15))
	c := b.connect(nil)
	for _, letters := range []bool{true, false} {
		src := b.source(c, SourceOptions{Topic: "in", Group: fmt.Sprint("g", letters), Until: Until{End: true}})
		out := fmt.Sprint("out", letters)
		sink := b.sink(c, SinkOptions{Topic: out, Source: src, Create: true})
		o := pipeline.Options{Source: src, Sink: sink}
		if letters {
			o.DeadLetters = b.sink(c, SinkOptions{Topic: "dead", Source: src, DeadLetters: true})
		}
		b.answersOnce(slices.Concat(at(0, false), at(5, true), at(10, false)))
		err := finish(t, o)
		if letters {
			got := b.committed("dead")
			if err != nil || len(got) != 1 || string(got[0].Headers[0].Value) != "in/0@5-9" || string(got[0].Headers[1].Value) != "malformed" && string(got[0].Headers[1].Value) != "unsupported" {
				t.Errorf("dead letters %v, %v", got, err)
			}
			if n := len(b.committed(out)); n != 10 || b.offsetOf("gtrue", "in", 0) != 15 {
				t.Errorf("%d messages, the group at %d", n, b.offsetOf("gtrue", "in", 0))
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), "in/0@5-9: ") || b.offsetOf("gfalse", "in", 0) != 5 {
			t.Errorf("ended with %v, the group at %d", err, b.offsetOf("gfalse", "in", 0))
		}
	}
}

// TestSpoiledBatch: a batch that was damaged on the way is fetched again. One
// that stays damaged, and of which nobody knows where it ends, parks its
// partition; if another one follows it is a dead letter.
func TestSpoiledBatch(t *testing.T) {
	t.Parallel()
	raw := five(t)
	spoiled := slices.Clone(raw)
	spoiled[len(spoiled)-1]++
	next := slices.Clone(raw)
	next[7] = 5
	for name, test := range map[string]struct {
		answer  []byte
		times   int // -1: always
		letters int
		want    string
		written int
	}{
		"once":             {spoiled, 1, 0, "", 15},
		"always":           {spoiled, -1, 0, "in/0@0: checksum does not match", 0},
		"with a next":      {slices.Concat(spoiled, next), maxSpoiled, 1, "", 10},
		"within two tries": {slices.Concat(spoiled, next), maxSpoiled - 1, 0, "", 15},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			b.topic("in", 1)
			b.topic("dead", 1)
			b.put("in", 1, numbered(0, 15))
			c := b.connect(nil)
			src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}})
			sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true})
			letters := b.sink(c, SinkOptions{Topic: "dead", Source: src, DeadLetters: true})
			if test.times < 0 {
				b.answers(test.answer)
			}
			for range test.times {
				b.answersOnce(test.answer)
			}
			err := finish(t, pipeline.Options{Source: src, Sink: sink, DeadLetters: letters})
			if test.want == "" && err != nil || test.want != "" && (err == nil || err.Error() != test.want) {
				t.Errorf("ended with %v", err)
			}
			if n, dead := len(b.committed("out")), len(b.committed("dead")); n != test.written || dead != test.letters {
				t.Errorf("%d messages, %d dead letters", n, dead)
			}
		})
	}
}
