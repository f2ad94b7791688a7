package pipeline_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// workCounter is a WorkObserver.
type workCounter struct {
	mu   sync.Mutex
	busy int
	seen []pipeline.Work
}

func (c *workCounter) BeginWork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy++
}

func (c *workCounter) EndWork(w pipeline.Work) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy--
	c.seen = append(c.seen, w)
}

// TestWork: the time of the transform is told apart from that of the writes,
// also of a batch that is written in parts.
func TestWork(t *testing.T) {
	var seen workCounter
	src := source(10, 10)
	sink := &pipelinetest.MemorySink{OnWrite: func(context.Context, []pipeline.Message, *pipeline.Progress) error {
		time.Sleep(time.Minute)
		return nil
	}}
	err := run(t, pipeline.Options{
		Source: src, Sink: sink, Work: &seen, Workers: 1, Budget: 64 << 10,
		NewTransform: func() pipeline.Transform { return &slowLarge{} },
	})
	if err != nil || seen.busy != 0 || len(seen.seen) != 1 {
		t.Fatalf("%v, %d workers busy, %d batches", err, seen.busy, len(seen.seen))
	}
	w := seen.seen[0]
	if w.Messages != 10 || w.Bytes == 0 || w.Transform != 10*time.Second || w.Settle != 5*time.Minute {
		t.Errorf("%+v", w)
	}
}

// slowLarge makes two messages fill a part.
type slowLarge struct{}

func (*slowLarge) Reset()                      {}
func (*slowLarge) Bound(*pipeline.Message) int { return 10 << 10 }
func (*slowLarge) Append(_ context.Context, dst []byte, _ *pipeline.Message) ([]byte, error) {
	time.Sleep(time.Second)
	return append(dst, make([]byte, 10<<10)...), nil
}
