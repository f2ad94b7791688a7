package cluster

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// brokerTable has the brokers that the last metadata named, and when each of
// them was in doubt last. A question that any broker can answer goes to the one
// that entrances chose, and once a broker is in doubt to the one that has been
// in doubt the longest time ago, or never: the chosen one may be cut off from
// the others.
type brokerTable struct {
	mu      sync.Mutex
	ids     []int32
	doubted map[int32]time.Time // by broker; chosen is the one that entrances chose
	last    time.Time           // when one was in doubt last
	turn    int                 // counts those that were asked in turn
}

// chosen stands for the broker that entrances chose. Its id is not known.
const chosen = -1

// doubtTime is how long after a doubt the chosen broker is not the first one to
// be asked.
const doubtTime = time.Minute

// turnPause is how long after a doubt a broker is not asked in its turn.
const turnPause = 15 * time.Second

// askAny asks a question that any broker can answer: it chooses the broker.
func (c *Cluster) askAny(ctx context.Context, q wire.Question) (kmsg.Response, error) {
	q.Broker = c.anyBroker()
	answer, _, err := c.wire.Ask(ctx, q)
	if err != nil && ctx.Err() == nil {
		c.NoteDoubt(q.Broker)
	}
	return answer, err
}

// anyBroker returns the broker to ask next.
func (c *Cluster) anyBroker() int32 {
	b := &c.brokers
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last.IsZero() || time.Since(b.last) > doubtTime {
		return chosen
	}
	best, since := int32(chosen), b.last // it may be the one that is in doubt
	for _, id := range b.ids {
		if at := b.doubted[id]; at.Before(since) {
			best, since = id, at
		}
	}
	return best
}

// AskInTurn asks about topics, once, and each time another broker. One that was
// in doubt a moment ago is left out.
func (c *Cluster) AskInTurn(ctx context.Context, topics ...string) (*wire.Metadata, error) {
	broker := c.brokerInTurn()
	m, err := c.wire.Metadata(ctx, broker, topics...)
	return c.noteMetadata(ctx, broker, m, err)
}

func (c *Cluster) brokerInTurn() int32 {
	b := &c.brokers
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.ids {
		b.turn++
		id := b.ids[b.turn%len(b.ids)]
		if at, ok := b.doubted[id]; !ok || time.Since(at) > turnPause {
			return id
		}
	}
	return chosen
}

// NoteDoubt notes that a broker did not answer, or answered as one does that
// others do not hear any more. Its view of the cluster may be outdated then.
func (c *Cluster) NoteDoubt(broker int32) {
	b := &c.brokers
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.doubted == nil {
		b.doubted = make(map[int32]time.Time)
	}
	b.last = time.Now()
	b.doubted[broker] = b.last
}

// IsDoubtful tells whether the error of an exchange, or a code in an answer,
// may come from a broker that is cut off from the others, or stopped.
func IsDoubtful(err error) bool {
	if err == nil {
		return false
	}
	code, ok := errors.AsType[kafkago.Error](err)
	if !ok {
		return wire.Retriable(err)
	}
	switch code {
	case kafkago.RequestTimedOut, kafkago.NetworkException, kafkago.NotEnoughReplicas,
		kafkago.NotEnoughReplicasAfterAppend, kafkago.GroupCoordinatorNotAvailable:
		return true
	default:
		return false
	}
}

// noteBrokers notes an answer with the brokers of the cluster.
func (c *Cluster) noteBrokers(found []wire.Broker) {
	c.brokers.mu.Lock()
	defer c.brokers.mu.Unlock()
	c.brokers.ids = c.brokers.ids[:0]
	for i := range found {
		c.brokers.ids = append(c.brokers.ids, found[i].ID)
	}
	slices.Sort(c.brokers.ids)
}
