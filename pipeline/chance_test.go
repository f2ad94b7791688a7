package pipeline_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// chance draws all that a test leaves to it. The same seed draws the same.
type chance struct {
	mu     sync.Mutex
	rand   *rand.Rand
	faults int // left to happen
}

func newChance(seed, test uint64) *chance { return &chance{rand: rand.New(rand.NewPCG(seed, test))} }

func (c *chance) draw(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rand.IntN(n)
}

// drawPlaces returns the names of the places of some lanes.
func (c *chance) drawPlaces(lanes, places int) [][]string {
	var names [][]string
	for l := range 1 + c.draw(lanes) {
		var lane []string
		for p := range 1 + c.draw(places) {
			lane = append(lane, fmt.Sprintf("%d/%d", l, p))
		}
		names = append(names, lane)
	}
	return names
}

// skipGaps puts some gaps at the end of a place, and returns the offset behind
// them.
func (c *chance) skipGaps(src *pipelinetest.MemorySource, place string, offset int64) int64 {
	for c.draw(8) == 0 {
		src.PutGap(place)
		offset++
	}
	return offset
}

// pause waits for up to a time, once in so many calls.
func (c *chance) pause(ctx context.Context, once int, atMost time.Duration) error {
	if c.draw(once) > 0 {
		return nil
	}
	return sleep(ctx, time.Duration(c.draw(int(atMost/time.Millisecond)))*time.Millisecond)
}

// drawFault is now and then a fault, as long as some are left: a loss, or other
// if that is not nil.
func (c *chance) drawFault(other error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.faults == 0 || c.rand.IntN(8) > 0 {
		return nil
	}
	c.faults--
	if other != nil && c.rand.IntN(3) == 0 {
		return other
	}
	return fmt.Errorf("fault: %w", pipeline.ErrLost)
}

func (c *chance) faultsLeft() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.faults
}
