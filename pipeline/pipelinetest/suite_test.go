package pipelinetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

var everything = Carries{
	Key: true, NullValue: true, Headers: true, HeaderOrder: true, NullHeader: true, Binary: true,
	Time: time.Nanosecond,
}

// memoryMedium is a medium over one MemorySource that spreads messages over
// three places in two lanes.
func memoryMedium(*testing.T) SourceMedium {
	names := []string{"a", "b", "c"}
	src := NewSource(names[:2], names[2:])
	src.MaxBatch = 50
	return SourceMedium{
		Put: func(msgs []pipeline.Message) {
			for _, m := range msgs {
				src.Put(names[Index(&m)%3], m)
			}
		},
		Bounded: func() pipeline.Source { src.Live = false; return src },
		Live:    func() pipeline.Source { src.Live = true; return src },
		Revoke:  func() { src.Revoke(0); src.Revoke(1) },
		Gap:     func() { src.PutGap("a"); src.PutGap("c") },
	}
}

func memorySpec() SourceSpec {
	return SourceSpec{
		Carries: everything, New: memoryMedium,
		Ordered: true, Resumes: true, ServesAgain: true, Live: true, Revokes: true, Gaps: true,
		Timeout: 20 * time.Second,
	}
}

func TestMemorySource(t *testing.T) { Source(t, memorySpec()) }

func memorySinkMedium(atomic bool) func(*testing.T) SinkMedium {
	return func(*testing.T) SinkMedium {
		s := &MemorySink{Atomic: atomic, Refuse: func(m *pipeline.Message) error {
			if len(m.Headers) > 0 && m.Headers[0].Name == "spoiled" {
				return &pipeline.Reject{Reason: pipeline.ReasonRefused}
			}
			return nil
		}}
		return SinkMedium{
			Sink: func() pipeline.Sink { return s }, Stored: s.Stored,
			Spoil: func(m *pipeline.Message) { m.Headers = []pipeline.Header{{Name: "spoiled"}} },
		}
	}
}

func TestMemorySink(t *testing.T) {
	for _, atomic := range []bool{false, true} {
		t.Run(fmt.Sprintf("atomic %t", atomic), func(t *testing.T) {
			Sink(t, SinkSpec{Carries: everything, Atomic: atomic, Lanes: true, Refuses: true, New: memorySinkMedium(atomic)})
		})
	}
}

// memoryPair reads from memory into memory; the source keeps the position.
func memoryPair(*testing.T) PairMedium {
	src, sink := NewSource([]string{"a"}), new(MemorySink)
	src.MaxBatch = 20
	return PairMedium{
		Put:    func(msgs []pipeline.Message) { src.Put("a", msgs...) },
		Open:   func() (pipeline.Source, pipeline.Sink) { return src, sink },
		Stored: sink.Stored,
	}
}

func TestMemoryPair(t *testing.T) {
	Pair(t, PairSpec{Carries: everything, ExactlyOnce: true, New: memoryPair})
}

func TestMessagesUseAllThatIsCarried(t *testing.T) {
	var nullKey, emptyKey, nullValue, emptyValue, nullHeader, repeated bool
	for i, m := range Messages(everything, 5, 400, 1<<10) {
		if Index(&m) != i+5 {
			t.Fatalf("message %d has index %d", i+5, Index(&m))
		}
		nullKey = nullKey || m.Key == nil
		emptyKey = emptyKey || m.Key != nil && len(m.Key) == 0
		nullValue = nullValue || m.Value == nil
		emptyValue = emptyValue || m.Value != nil && len(m.Value) == 0
		for _, h := range m.Headers {
			nullHeader = nullHeader || h.Value == nil
		}
		repeated = repeated || len(m.Headers) == 4
	}
	if !nullKey || !emptyKey || !nullValue || !emptyValue || !nullHeader || !repeated {
		t.Error(nullKey, emptyKey, nullValue, emptyValue, nullHeader, repeated)
	}
}
