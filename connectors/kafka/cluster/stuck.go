package cluster

import (
	"context"
	"errors"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// A request that waits for others may wait for ever: for a transaction that
// nobody ends, for replicas that do not come back. After stuckAfter that is an
// error for people, repeated each stuckReminder, although the request goes on.
const (
	stuckAfter    = 30 * time.Second // three times the time-out of a request
	stuckReminder = time.Minute
)

// adviseStuck returns what a person can do about an error with which a request
// may wait for ever; "" for every other error.
func (c *Cluster) adviseStuck(err error) string {
	servers := " --bootstrap-server " + strings.Join(c.options.Brokers, ",")
	switch {
	case errors.Is(err, kafkago.UnstableOffsetCommit), errors.Is(err, kafkago.ConcurrentTransactions):
		return "a transaction does not end: kafka-transactions.sh" + servers +
			" find-hanging --broker-id ID finds it; docs/operate.md says what aborting it by hand may double"
	case errors.Is(err, kafkago.NotEnoughReplicas), errors.Is(err, kafkago.NotEnoughReplicasAfterAppend):
		return "replicas are missing: kafka-topics.sh" + servers + " --describe --under-min-isr-partitions names them"
	}
	return ""
}

// reportStuck tells people about a request that may wait for ever. It is false
// if this one is not of that kind, or not yet.
func (r *Retry) reportStuck(ctx context.Context, err error, now time.Time) bool {
	advice := r.cluster.adviseStuck(err)
	waited := now.Sub(r.began)
	if advice == "" || waited < r.cluster.options.StuckAfter {
		return false
	}
	if now.Before(r.stuckAgain) {
		return true
	}
	r.stuckAgain = now.Add(stuckReminder)
	attrs := []any{"what", r.what, "waited", waited.Round(time.Second), "error", err, "hint", advice}
	if r.explain != nil {
		attrs = append(attrs, r.explain(ctx)...)
	}
	r.cluster.log.Error("kafka: stuck, and still trying", attrs...)
	if !r.stuck && r.cluster.options.Stuck != nil {
		r.cluster.options.Stuck(r.what, err)
	}
	r.stuck = true
	return true
}

// endStuck tells that a request that was stuck waits no more.
func (r *Retry) endStuck() {
	if r.stuck && r.cluster.options.Stuck != nil {
		r.cluster.options.Stuck(r.what, nil)
	}
	r.stuck, r.stuckAgain = false, time.Time{}
}
