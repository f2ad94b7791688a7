package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// behindOpen is how long a partition has stood still at its last stable offset,
// with records behind that.
type behindOpen struct {
	stable int64
	since  time.Time
	told   time.Time // when people were told last
	urgent bool      // it was an error
}

// OpenTransactionError says that a run with an end has given up waiting for a
// transaction that nobody ends.
type OpenTransactionError struct {
	Place  string
	Stable int64 // the last stable offset, where the transaction begins
	Behind int64 // how many offsets lie between that and the end of the run
	Waited time.Duration
}

// Error implements error.
func (e *OpenTransactionError) Error() string {
	return fmt.Sprintf("a transaction that began at offset %d has not ended for %v, and %d offsets lie behind it",
		e.Stable, e.Waited.Round(time.Second), e.Behind)
}

// skipTo has a partition go on at an offset although nothing was read up to it:
// there is nothing any more.
func (in *fetcher) skipTo(p *partition, offset int64) {
	p.skip = offset
	in.epochs.note(p.place, p.topic.Leader(p.number).Epoch, offset-1)
	p.beginAnswer(&wire.FetchedPartition{}, false)
	in.queue = append(in.queue, p)
}

// noteQuiet decides about a partition that was answered without records. A run
// with an end is at the end of a partition if that was asked alone, the broker
// held nothing back, and everything up to the end is stable: there are only
// markers, and records that were compacted away or deleted. A broker over its
// quota answers empty (KIP-219), and so does one whose answer is full.
func (in *fetcher) noteQuiet(ctx context.Context, p *partition, a *wire.FetchedPartition, throttled bool) {
	bounded, target := p.stopAt >= 0, a.HighWatermark
	if bounded {
		target = p.stopAt
	}
	switch {
	case len(a.Records) > 0 || p.parked || p.next >= target || a.LastStable < 0:
		in.endStuck(p)
		p.behind = behindOpen{}
	case a.LastStable < target && a.HighWatermark >= target:
		in.noteOpen(ctx, p, a.LastStable, target)
	case !bounded || throttled:
	case a.HighWatermark < target && p.isReplica(in.request.Broker):
		p.leaveReplica(in.request.Broker) // it lags behind
	case a.HighWatermark < target:
		in.noteShrunk(p, a.HighWatermark)
	case len(in.asked) > 1:
		in.alone = p
	default:
		in.skipTo(p, target)
	}
}

// noteOpen notes that a partition waits for the end of a transaction.
func (in *fetcher) noteOpen(ctx context.Context, p *partition, stable, target int64) {
	now, w, t := time.Now(), &p.behind, in.timing
	if w.since.IsZero() || w.stable != stable {
		in.endStuck(p)
		*w = behindOpen{stable: stable, since: now}
		return
	}
	age := now.Sub(w.since)
	switch {
	case p.stopAt >= 0 && age >= t.giveUp:
		in.endStuck(p)
		p.fault = &OpenTransactionError{Place: p.place, Stable: stable, Behind: target - stable, Waited: age}
		p.beginAnswer(&wire.FetchedPartition{}, false)
		in.queue = append(in.queue, p)
	case age >= t.urgent && (!w.urgent || now.Sub(w.told) >= t.urgent):
		w.urgent, w.told = true, now
		in.options.Log.Error("kafka: stuck, records wait behind a transaction that does not end",
			in.describeOpen(ctx, p, stable, target)...)
		if in.options.Stuck != nil {
			in.options.Stuck(p.place, errOpen)
		}
	case age >= t.told && w.told.IsZero():
		w.told = now
		in.options.Log.Warn("kafka: records wait for the end of a transaction",
			in.describeOpen(ctx, p, stable, target)...)
	}
}

var errOpen = fmt.Errorf("a transaction in the source does not end, and the last stable offset stands still")

// endStuck tells that a partition that was stuck goes on, or is read by
// somebody else.
func (in *fetcher) endStuck(p *partition) {
	if p.behind.urgent && in.options.Stuck != nil {
		in.options.Stuck(p.place, nil)
	}
	p.behind.urgent = false
}

// describeOpen returns attributes for the log: how much waits, and for whom.
func (in *fetcher) describeOpen(ctx context.Context, p *partition, stable, target int64) []any {
	attrs := []any{
		"partition", p.place, "offset", stable, "behind", target - stable, "waited",
		time.Since(p.behind.since).Round(time.Second),
	}
	return append(attrs, describeOpenIn(ctx, p.topic.Topic, p.number)...)
}

// describeOpenIn returns attributes for the log about the oldest transaction
// that is open in a partition.
func describeOpenIn(ctx context.Context, t *cluster.Topic, number int32) []any {
	c := t.Cluster()
	open, err := c.OpenTransactions(ctx, t.Leader(number).Broker, t.Name(), number)
	if err != nil {
		return []any{"producer", fmt.Sprintf("not known: %v", err)}
	}
	return describeOldest(c, open)
}

// describeOldest returns attributes for the log about the first of the
// transactions that are open; none if there are none.
func describeOldest(c *cluster.Cluster, open []cluster.OpenTransaction) []any {
	if len(open) == 0 {
		return nil
	}
	o := &open[0]
	return []any{
		"producer_id", o.ProducerID, "producer_epoch", o.Epoch, "begins_at", o.Start,
		"last_write", o.Last.UTC().Format(time.RFC3339), "end_it", o.Command(c),
	}
}

// noteShrunk notes that a log ends before the end of the run. A new leader may
// learn how far its log reaches a moment later; after a while the records are
// gone, and the run ends where the log does.
func (in *fetcher) noteShrunk(p *partition, end int64) {
	now, w := time.Now(), &p.behind
	if w.since.IsZero() || w.stable != end {
		in.endStuck(p)
		*w = behindOpen{stable: end, since: now}
		return
	}
	if now.Sub(w.since) < in.timing.told {
		return
	}
	in.options.Log.Warn("kafka: the log was cut, the run ends where it ends now", "partition", p.place,
		"from", p.stopAt, "to", end)
	in.losses.noteCut(p.place, end, p.stopAt)
	p.stopAt = max(end, p.next)
}
