package cluster

import (
	"context"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// brokerTable has the brokers that the last metadata named. A question that any
// broker can answer goes to those that the configuration names, and to the
// others in turns once one of the former has not answered: the configuration
// may name a single broker, and that one may be down.
type brokerTable struct {
	mu     sync.Mutex
	ids    []int32
	silent int // questions in a row without an answer
}

// askAny asks a question that any broker can answer: it chooses the broker.
func (c *Cluster) askAny(ctx context.Context, q wire.Question) (kmsg.Response, error) {
	q.Broker = c.anyBroker()
	answer, _, err := c.wire.Ask(ctx, q)
	if err != nil {
		c.noteSilence()
	}
	return answer, err
}

// anyBroker returns the broker to ask next; -1 for one that the configuration
// names.
func (c *Cluster) anyBroker() int32 {
	b := &c.brokers
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.silent == 0 || len(b.ids) == 0 {
		return -1
	}
	if at := (b.silent - 1) % (len(b.ids) + 1); at < len(b.ids) {
		return b.ids[at]
	}
	return -1
}

// noteSilence notes that a broker has not answered a question that any can.
func (c *Cluster) noteSilence() {
	c.brokers.mu.Lock()
	defer c.brokers.mu.Unlock()
	c.brokers.silent++
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
