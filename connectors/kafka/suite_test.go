package kafka

import (
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

var carries = pipelinetest.Carries{
	Key: true, NullValue: true, Headers: true, HeaderOrder: true, NullHeader: true, Binary: true, Time: time.Millisecond,
}

func TestSourceSuite(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 3} {
		t.Run(map[int]string{1: "one partition", 3: "three partitions"}[partitions], func(t *testing.T) {
			t.Parallel()
			pipelinetest.Source(t, pipelinetest.SourceSpec{
				Carries: carries, Ordered: true, Resumes: true, ServesAgain: true, Live: true, Revokes: true, Gaps: true,
				New: func(t *testing.T) pipelinetest.SourceMedium { return sourceMedium(t, partitions) },
			})
		})
	}
}

func sourceMedium(t *testing.T, partitions int) pipelinetest.SourceMedium {
	b := startBroker(t)
	b.topic("in", partitions)
	c := b.connect(nil)
	turn := 0
	return pipelinetest.SourceMedium{
		Put: func(msgs []pipeline.Message) { b.put("in", partitions, msgs) },
		Bounded: func() pipeline.Source {
			return b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}, Workers: 2})
		},
		Live: func() pipeline.Source {
			return b.source(c, SourceOptions{Topic: "in", Group: "g", Workers: 2})
		},
		Revoke: func() { b.rebalance("g") },
		Gap: func() {
			b.abort("in", int32(turn%partitions), numbered(1<<20, 3))
			turn++
		},
	}
}

func TestSinkSuite(t *testing.T) {
	t.Parallel()
	pipelinetest.Sink(t, pipelinetest.SinkSpec{
		Carries: carries, Lanes: true, Refuses: true,
		New: func(t *testing.T) pipelinetest.SinkMedium {
			b := startBroker(t)
			b.topic("out", 1)
			c := b.connect(nil)
			return pipelinetest.SinkMedium{
				Sink:  func() pipeline.Sink { return b.sink(c, SinkOptions{Topic: "out"}) },
				Spoil: func(m *pipeline.Message) { m.Value = make([]byte, 2*defaultMaxBatch) },
				Stored: func() []pipeline.Message {
					msgs := b.committed("out")
					for i := range msgs {
						msgs[i].Origin = pipeline.Origin{}
					}
					return msgs
				},
			}
		},
	})
}

func TestPairSuite(t *testing.T) {
	t.Parallel()
	for name, delivery := range map[string]Delivery{"exactly once": BestDelivery, "at least once": AtLeastOnce} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pipelinetest.Pair(t, pipelinetest.PairSpec{
				Carries: carries, ExactlyOnce: delivery == BestDelivery,
				New: func(t *testing.T) pipelinetest.PairMedium { return pairMedium(t, delivery) },
			})
		})
	}
}

func pairMedium(t *testing.T, delivery Delivery) pipelinetest.PairMedium {
	b := startBroker(t)
	b.topic("in", 3)
	c := b.connect(nil)
	return pipelinetest.PairMedium{
		Put: func(msgs []pipeline.Message) { b.put("in", 3, msgs) },
		Open: func() (pipeline.Source, pipeline.Sink) {
			src := b.source(c, SourceOptions{Topic: "in", Group: "g", Until: Until{End: true}, Workers: 2})
			return src, b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true, Delivery: delivery})
		},
		Stored: func() []pipeline.Message { return b.committed("out") },
	}
}
