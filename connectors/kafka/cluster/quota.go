package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// quotas remember until when brokers ask this client to wait, since it is over
// its quota (KIP-219). A broker that has said so does not read the client's
// next request before, which would look like one that does not answer.
type quotas struct {
	mu    sync.Mutex
	until map[quotaKey]time.Time
	told  time.Time
}

// quotaKey is a broker and a kind of request: reads and writes have quotas of
// their own.
type quotaKey struct {
	broker int32
	writes bool
}

const (
	// maxThrottle is the longest wait that is believed.
	maxThrottle = time.Minute
	// quotaReminder is how often people are told.
	quotaReminder = time.Minute
)

// NoteThrottle notes what a broker has answered to a fetch or a produce.
func (c *Cluster) NoteThrottle(broker int32, writes bool, wait time.Duration) {
	if wait <= 0 {
		return
	}
	q, now := &c.quotas, time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.until == nil {
		q.until = make(map[quotaKey]time.Time)
	}
	q.until[quotaKey{broker, writes}] = now.Add(min(wait, maxThrottle))
	if now.Sub(q.told) >= quotaReminder {
		q.told = now
		c.log.Info("kafka: a broker slows this client down, since it is over its quota", "broker", broker,
			"writes", writes, "wait", wait)
	}
}

// AwaitQuota waits until a broker lets this client go on.
func (c *Cluster) AwaitQuota(ctx context.Context, broker int32, writes bool) error {
	q, key := &c.quotas, quotaKey{broker, writes}
	q.mu.Lock()
	until, ok := q.until[key]
	delete(q.until, key)
	q.mu.Unlock()
	if !ok {
		return nil
	}
	return retry.Sleep(ctx, time.Until(until))
}
