// Package losses limits how often a lane is served again after it was lost.
//
// A lane that ended with pipeline.ErrLost is still its Source's, and is served
// again from its last commit. One that is lost again and again before it
// commits anything would go on for ever and tell nobody; after some time that
// counts as a failure. The rule is the same for every connector, so it stands
// here.
//
// The package knows no broker and decides nothing else about errors.
package losses

import (
	"context"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// most is how many losses in a row are a failure. With pauses they take about a
// quarter of a minute.
const most = 20

var pauses = retry.Policy{First: 5 * time.Millisecond, Longest: time.Second}

// Limit counts the losses of one lane. The zero Limit has none. It is used by
// one goroutine.
type Limit struct {
	waits *retry.Waits
	row   int // losses without a commit in between
	last  error
}

// Row returns how many losses there were since the last commit; 0 before the
// first one.
func (l *Limit) Row() int { return l.row }

// Exceeded returns an error once the lane was lost too often in a row to be
// served again. It tells why the lane was lost last, and does not wrap
// pipeline.ErrLost.
func (l *Limit) Exceeded() error {
	if l.row < most {
		return nil
	}
	return fmt.Errorf("lost %d times in a row, at last because: %s", l.row, l.last.Error())
}

// Wait notes that the lane was lost because of err, and waits before it is
// served again. With moved the lane had committed something, and a new row
// begins. The wait ends early with ctx, whose cause is then returned.
func (l *Limit) Wait(ctx context.Context, err error, moved bool) error {
	if l.waits == nil || moved {
		l.waits, l.row = pauses.Begin(), 0
	}
	l.row++
	l.last = err
	return l.waits.Wait(ctx)
}
