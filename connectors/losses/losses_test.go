package losses

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestLimit: a lane that commits between its losses may be lost for ever, and
// one that does not is given up after a quarter of a minute.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Limit
		lost := fmt.Errorf("%w: the group rebalances", pipeline.ErrLost)
		for range 3 * most {
			if err := l.Wait(t.Context(), lost, true); err != nil || l.Exceeded() != nil || l.Row() != 1 {
				t.Fatalf("after a commit: row of %d, %v, %v", l.Row(), err, l.Exceeded())
			}
		}
		began := time.Now()
		for n := 2; n <= most; n++ {
			if err := l.Exceeded(); err != nil {
				t.Fatalf("after %d losses: %v", n-1, err)
			}
			if err := l.Wait(t.Context(), lost, false); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 5*time.Second || took > 30*time.Second {
			t.Errorf("given up after %v", took)
		}
		err := l.Exceeded()
		if err == nil || errors.Is(err, pipeline.ErrLost) || !strings.Contains(err.Error(), "20 times in a row, at last because: ") {
			t.Errorf("got %v", err)
		}
	})
}

func TestWaitEnds(t *testing.T) {
	cause := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	var l Limit
	if err := l.Wait(ctx, pipeline.ErrLost, false); err != cause || l.Row() != 1 {
		t.Errorf("row of %d, %v", l.Row(), err)
	}
}
