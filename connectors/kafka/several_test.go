package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// carry runs a member that carries topics to topics. The channel has the places
// that are parked.
func (b *broker) carry(from, to string, o SinkOptions) (*Source, *run, <-chan string) {
	b.t.Helper()
	c := b.connect(nil)
	m, err := ParseNameMap(to)
	if err != nil {
		b.t.Fatal(err)
	}
	src := b.source(c, SourceOptions{Topic: from, Group: "g", Written: []NameMap{m}})
	o.Topic, o.Source = to, src
	sink := b.sink(c, o)
	parked := make(chan string, 100)
	watch := &pipelinetest.Recorder{Parked: func(place string, _ error) {
		select {
		case parked <- place:
		default:
		}
	}}
	return src, start(b.t, pipeline.Options{Source: src, Sink: sink, Observer: watch}), parked
}

// wantNumbered checks that a topic has the numbers 0..n-1, each once and in
// order.
func (b *broker) wantNumbered(topic string, n int) {
	b.t.Helper()
	if err := onceInOrder(b.committed(topic), n); err != nil {
		b.t.Errorf("%s: %v", topic, err)
	}
}

// allCommitted tells whether a group has committed what a topic holds.
func (b *broker) allCommitted(topic string) bool {
	for _, p := range b.PartitionInfos(topic) {
		if p.HighWatermark > 0 && b.offsetOf("g", topic, p.Partition) < p.HighWatermark {
			return false
		}
	}
	return true
}

// TestSeveralTopics: every message of a list of topics, or of those that match
// a pattern, reaches the topic that belongs to its own, once and in order.
func TestSeveralTopics(t *testing.T) {
	t.Parallel()
	const n = 3000
	for _, from := range []string{"in.a,in.b,in.c", `~in\..*`} {
		for _, delivery := range []Delivery{ExactlyOnce, AtLeastOnce} {
			for _, bounded := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %v %t", from, delivery, bounded), func(t *testing.T) {
					t.Parallel()
					b := startBroker(t, kfake.NumBrokers(3))
					parts := map[string]int{"in.a": 1, "in.b": 4, "in.c": 7}
					for topic, p := range parts {
						b.topic(topic, p)
						b.put(topic, p, numbered(0, n))
					}
					b.topic("other", 1)
					b.put("other", 1, numbered(0, 1))
					o := SinkOptions{Create: true, Delivery: delivery}
					if bounded {
						c := b.connect(nil)
						src := b.source(c, SourceOptions{Topic: from, Group: "g", Until: Until{End: true}})
						o.Topic, o.Source = "{topic}.out", src
						if err := finish(t, pipeline.Options{Source: src, Sink: b.sink(c, o)}); err != nil {
							t.Fatal(err)
						}
					} else {
						src, r, _ := b.carry(from, "{topic}.out", o)
						for topic := range parts {
							b.eventually("the end of "+topic, func() bool { return b.allCommitted(topic) })
						}
						if s := src.Status(); len(s) != 12 || s[0].Topic != "in.a" || s[11].Topic != "in.c" || s[11].Partition != 6 {
							t.Errorf("status %+v", s)
						}
						if err := r.stop(); err != nil {
							t.Error(err)
						}
					}
					for topic, p := range parts {
						b.wantNumbered(topic+".out", n)
						if got := len(b.PartitionInfos(topic + ".out")); got != p {
							t.Errorf("%s.out has %d partitions, %s has %d", topic, got, topic, p)
						}
						if !b.allCommitted(topic) {
							t.Errorf("%s: not everything is committed", topic)
						}
					}
					if b.TopicInfo("other.out") != nil {
						t.Error("a topic was read that is not one of them")
					}
				})
			}
		}
	}
}

// deleteTopic deletes a topic.
func (b *broker) deleteTopic(name string) {
	b.t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TopicNames = []string{name}
	rt := kmsg.NewDeleteTopicsRequestTopic()
	rt.Topic = kmsg.StringPtr(name)
	req.Topics = append(req.Topics, rt)
	res, err := req.RequestWith(b.t.Context(), b.client())
	if err != nil || res.Topics[0].ErrorCode != 0 {
		b.t.Fatal(err, res)
	}
}

// TestTopicsComeAndGo: topics that begin to match a pattern are read from their
// beginning, one that is deleted stops nothing but itself, and what the route
// writes is never read.
func TestTopicsComeAndGo(t *testing.T) {
	t.Parallel()
	for _, delivery := range []Delivery{ExactlyOnce, AtLeastOnce} {
		t.Run(fmt.Sprint(delivery), func(t *testing.T) {
			t.Parallel()
			const n = 500
			b := startBroker(t)
			b.topic("in.a", 2)
			b.put("in.a", 2, numbered(0, n))
			src, r, _ := b.carry(`~in\..*`, "{topic}.out", SinkOptions{Create: true, Delivery: delivery})
			b.eventually("in.a", func() bool { return b.allCommitted("in.a") })
			for i := range 5 {
				topic := fmt.Sprintf("in.new%d", i)
				b.topic(topic, 3)
				b.put(topic, 3, numbered(0, n))
			}
			for i := range 5 {
				topic := fmt.Sprintf("in.new%d", i)
				b.eventually(topic, func() bool { return b.TopicInfo(topic+".out") != nil && b.allCommitted(topic) })
				b.wantNumbered(topic+".out", n)
			}
			b.deleteTopic("in.a")
			b.put("in.new0", 3, numbered(n, n))
			b.eventually("the rest of in.new0", func() bool { return b.allCommitted("in.new0") })
			b.wantNumbered("in.new0.out", 2*n)
			b.eventually("the end of in.a's places", func() bool {
				for _, s := range src.Status() {
					if s.Topic == "in.a" {
						return false
					}
				}
				return true
			})
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			b.wantNumbered("in.a.out", n)
			for _, topic := range src.Topics() {
				if topic == "in.a.out" || b.TopicInfo(topic+".out") == nil {
					t.Errorf("%s is read", topic)
				}
			}
		})
	}
}

// TestTopicMadeAnew: of several topics one that is deleted and made again parks
// its own places, since its offsets count other records, and the others go on.
func TestTopicMadeAnew(t *testing.T) {
	t.Parallel()
	const n = 100
	b := startBroker(t)
	b.topic("a", 1)
	b.topic("b", 1)
	b.put("a", 1, numbered(0, n))
	src, r, parked := b.carry("a,b", "{topic}.out", SinkOptions{Create: true})
	b.eventually("a", func() bool { return b.allCommitted("a") })
	b.deleteTopic("a")
	b.eventually("a is known to be missing", func() bool { return !src.topics.find("a").MissingSince().IsZero() })
	b.topic("a", 1)
	b.put("a", 1, numbered(n, n))
	b.put("b", 1, numbered(0, n))
	b.eventually("b", func() bool { return b.allCommitted("b") })
	b.eventually("a is known to be another", func() bool { return src.topics.find("a").IsReplaced() })
	b.put("b", 1, numbered(n, n))
	b.eventually("the rest of b", func() bool { return b.allCommitted("b") })
	if place := <-parked; place != "a/0" {
		t.Errorf("%s is parked", place)
	}
	if err := r.stop(); !errors.Is(err, cluster.ErrReplaced) {
		t.Errorf("got %v", err)
	}
	b.wantNumbered("a.out", n)
	b.wantNumbered("b.out", 2*n)
}

// TestTopicsWithoutDestination: a topic for which there is no destination parks
// its own places until there is one; so does one of which the destination is
// deleted.
func TestTopicsWithoutDestination(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		delivery Delivery
		opts     []kfake.Opt
	}{
		{"exactly once", ExactlyOnce, nil},
		{"partitions added by the client", ExactlyOnce, []kfake.Opt{beforeKIP890}},
		{"at least once", AtLeastOnce, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			const n = 200
			b := startBroker(t, test.opts...)
			b.topic("in.a", 2)
			b.destination("in.a.out", 2)
			_, r, parked := b.carry(`~in\..*`, "{topic}.out", SinkOptions{Delivery: test.delivery})
			b.topic("in.b", 2)
			b.put("in.b", 2, numbered(0, n))
			b.put("in.a", 2, numbered(0, n))
			b.eventually("in.a", func() bool { return b.allCommitted("in.a") })
			b.wantNumbered("in.a.out", n)
			b.destination("in.b.out", 2)
			b.eventually("in.b", func() bool { return b.allCommitted("in.b") })
			b.wantNumbered("in.b.out", n)

			for len(parked) > 0 { // of the time before in.b.out was there
				<-parked
			}
			b.deleteTopic("in.b.out")
			b.put("in.b", 2, numbered(n, n))
			b.put("in.a", 2, numbered(n, n))
			b.eventually("the rest of in.a", func() bool { return b.allCommitted("in.a") })
			b.wantNumbered("in.a.out", 2*n)
			if place := <-parked; cluster.TopicOf(place) != "in.b" {
				t.Errorf("%s is parked", place)
			}
			var standing *pipeline.ParkedError
			if err := r.stop(); !errors.As(err, &standing) || !strings.Contains(err.Error(), "in.b.out") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestMistakesWithTopics: what cannot go well is an error that names it, before
// anything is made.
func TestMistakesWithTopics(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	for _, topic := range []string{"a", "b", "a.out", "in.x"} {
		b.topic(topic, 1)
	}
	c := b.connect(nil)
	for _, x := range []struct {
		from, to string
		want     error
	}{
		{"~nothing.*", "{topic}.out", ErrNoMatch},
		{"a,missing", "{topic}.out", cluster.ErrNoTopic},
		{"a,b", "all", ErrOneForSeveral},
		{"~a|b", "all", ErrOneForSeveral},
		{"a,a.out", "{topic}.out", nil},
		{"a", "{topic}", nil},
		{"a,b", "{topic}", nil},
		{"a,b", "{topic-.sealed}", nil},
		{`~a\.out`, "{topic-.sealed}", ErrNoMatch},
	} {
		m, err := ParseNameMap(x.to)
		if err != nil {
			t.Fatal(err)
		}
		src, err := NewSource(t.Context(), c, SourceOptions{Topic: x.from, Group: "g", Written: []NameMap{m}, Log: quiet})
		if err == nil {
			_, err = NewSink(t.Context(), c, SinkOptions{Topic: x.to, Source: src, Create: true, Log: quiet})
		}
		if err == nil || x.want != nil && !errors.Is(err, x.want) {
			t.Errorf("%s to %s: %v", x.from, x.to, err)
		}
		t.Logf("%s to %s: %v", x.from, x.to, err)
	}
	if _, err := NewSink(t.Context(), c, SinkOptions{Topic: "{topic}.out", Log: quiet}); err == nil {
		t.Error("a template without a source was accepted")
	}
	o := SourceOptions{Topic: "a,b", Until: Until{End: true}, Partitions: []int32{0}}
	if err := o.Check(); err == nil {
		t.Error("partitions of several topics were accepted")
	}
	for _, topic := range []string{"all", "b.out", "missing.out", "a.out.out"} {
		if b.TopicInfo(topic) != nil {
			t.Errorf("%s was made", topic)
		}
	}
}

// TestMissingTopicIsNotRead: a run with an end does not end well while a topic
// is missing that it began with, whether that stays away or is made again.
func TestMissingTopicIsNotRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		again bool
		want  error
	}{{"deleted", false, cluster.ErrNoTopic}, {"made again", true, cluster.ErrReplaced}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			b.refresh = time.Nanosecond
			for _, name := range []string{"in.a", "in.b"} {
				b.topic(name, 1)
				b.put(name, 1, numbered(0, 10))
			}
			src := b.source(b.connect(nil), SourceOptions{Topic: "in.a,in.b", Until: Until{End: true}, Workers: 1})
			b.deleteTopic("in.b")
			var read int
			var end error
			err := src.Serve(t.Context(), func(ctx context.Context, served pipeline.Lane) error {
				l := served.(*lane)
				if test.again {
					b.topic("in.b", 1)
				} else {
					l.opened = l.opened.Add(-missingTime)
				}
				for {
					batch, err := l.Read(ctx, 1<<20)
					if err != nil {
						end = err
						return nil //nolint:nilerr // the test looks at end
					}
					read += len(batch.Messages)
					batch.Release()
				}
			})
			if err != nil || read != 10 || !errors.Is(end, test.want) {
				t.Errorf("read %d messages, the lane ended with %v, the source with %v", read, end, err)
			}
		})
	}
}
