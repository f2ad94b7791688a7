package cluster

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// TestBusyIsNoWarning: a coordinator that says for some seconds that it ends the
// last transaction is in good health, and no person hears of it. Other errors
// that last so long are a warning.
func TestBusyIsNoWarning(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		warn bool
	}{
		"busy":     {kafkago.ConcurrentTransactions, false},
		"election": {kafkago.LeaderNotAvailable, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				c := &Cluster{log: slog.New(slog.NewTextHandler(&log, nil)), options: Options{StuckAfter: stuckAfter}}
				begin := time.Now()
				err := c.RetryCall(t.Context(), "it", func(context.Context) error {
					if time.Since(begin) < 9*time.Second {
						return test.err
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				if got := strings.Contains(log.String(), "level=WARN"); got != test.warn {
					t.Errorf("warned: %t\n%s", got, log.String())
				}
			})
		})
	}
}
