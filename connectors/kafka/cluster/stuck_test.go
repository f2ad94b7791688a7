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

// TestStuck: a request that waits for a transaction or for replicas is an error
// for people after half a minute, said again each minute, and goes on.
// Everything else is a warning.
func TestStuck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err            error
		errors, warned int
		hint           string
	}{
		"offsets":     {kafkago.UnstableOffsetCommit, 2, 3, "kafka-transactions.sh --bootstrap-server one:9092,two:9092 find-hanging"},
		"transaction": {kafkago.ConcurrentTransactions, 2, 2, "find-hanging"},
		"replicas":    {kafkago.NotEnoughReplicas, 2, 3, "--under-min-isr-partitions"},
		"election":    {kafkago.LeaderNotAvailable, 0, 10, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				var stuck []error
				c := &Cluster{log: slog.New(slog.NewTextHandler(&log, nil)), options: Options{
					Brokers: []string{"one:9092", "two:9092"}, StuckAfter: stuckAfter,
					Stuck: func(_ string, err error) { stuck = append(stuck, err) },
				}}
				begin := time.Now()
				err := c.RetryExplained(t.Context(), "it", func(context.Context) []any { return []any{"more", "words"} },
					func(context.Context) error {
						if time.Since(begin) > 100*time.Second {
							return nil
						}
						return test.err
					})
				if err != nil {
					t.Error(err)
				}
				if n := strings.Count(log.String(), "level=ERROR"); n != test.errors || n > 0 && !strings.Contains(log.String(), "more=words") {
					t.Errorf("%d errors", n)
				}
				if n := strings.Count(log.String(), "level=WARN"); n != test.warned {
					t.Errorf("%d warnings", n)
				}
				if !strings.Contains(log.String(), test.hint) {
					t.Errorf("no word of %q", test.hint)
				}
				if test.errors > 0 && (len(stuck) != 2 || stuck[0] != test.err || stuck[1] != nil) || test.errors == 0 && len(stuck) > 0 {
					t.Errorf("told %v", stuck)
				}
				if t.Failed() {
					t.Log(log.String())
				}
			})
		})
	}
}

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

// TestHashText compares with String.hashCode of Java.
func TestHashText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int32{"": 0, "a": 97, "hello": 99162322, "größe": 98762257, "streamcrypt-orders": -1569994844} {
		if got := hashText(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
