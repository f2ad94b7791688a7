package kafka

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// slowAnswer is how long a leader may take to answer a write before other
// brokers are asked whether it leads still, and slowPause the time between two
// such questions.
const (
	slowAnswer = 3 * time.Second
	slowPause  = 2 * time.Second
)

// produce sends a request to the leader of its batches. A leader that is cut
// off from the other brokers may hold it for longer than they need to choose
// another one: where it adds partitions to transactions (KIP-890) it asks the
// coordinator first, and waits for that for its own request.timeout.ms, which
// is 30 s. So the request is given up as soon as another broker leads a batch.
func (r *request) produce(ctx context.Context, to *Sink, parcels []parcel) {
	c := to.cluster
	if r.err = c.AwaitQuota(ctx, r.Broker, true); r.err != nil {
		return
	}
	r.Interrupter = new(wire.Interrupter)
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Add(1)
	timer := time.AfterFunc(to.slow, func() {
		defer watch.Done()
		r.watchLeaders(watching, c, parcels)
	})
	if r.answer, r.err = c.Wire().Produce(ctx, &r.ProduceRequest); r.err == nil {
		c.NoteThrottle(r.Broker, true, r.answer.Throttle)
	}
	if timer.Stop() {
		watch.Done()
	}
	stop()
	watch.Wait()
}

// watchLeaders asks one broker after the other who leads the topics of the
// request, until ctx ends, or another broker leads one of its batches.
func (r *request) watchLeaders(ctx context.Context, c *cluster.Cluster, parcels []parcel) {
	c.NoteDoubt(r.Broker)
	var topics []*cluster.Topic
	for _, i := range r.parcels {
		if t := parcels[i].outlet.to.Topic; !slices.Contains(topics, t) {
			topics = append(topics, t)
		}
	}
	ticker := time.NewTicker(slowPause)
	defer ticker.Stop()
	for {
		c.AskLeaders(ctx, topics)
		if r.hasMoved(parcels) {
			r.Interrupter.Interrupt()
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// hasMoved tells whether another broker than the one that was asked leads one
// of the batches.
func (r *request) hasMoved(parcels []parcel) bool {
	return slices.ContainsFunc(r.parcels, func(i int) bool {
		leader := parcels[i].outlet.to.Leader(parcels[i].partition).Broker
		return leader >= 0 && leader != r.Broker
	})
}
