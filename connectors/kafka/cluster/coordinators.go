package cluster

import (
	"context"
	"errors"
	"sync"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/findcoordinator"
)

// coordinator names a group or a transactional id that a broker coordinates. A
// process uses only a few.
type coordinator struct {
	transaction bool
	name        string
}

// coordinatorCache remembers the coordinating brokers until one fails to
// answer.
type coordinatorCache struct {
	mu    sync.Mutex
	known map[coordinator]int32
}

// coordinatorFor returns the group or transactional id of req, if it has one.
func coordinatorFor(req protocol.Message) (of coordinator, ok bool) {
	switch m := req.(type) {
	case protocol.GroupMessage:
		of = coordinator{name: m.Group()}
	case protocol.TransactionalMessage:
		of = coordinator{name: m.Transaction(), transaction: true}
	}
	return of, of.name != ""
}

func (c *coordinatorCache) lookUp(of coordinator) (broker int32, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	broker, ok = c.known[of]
	return broker, ok
}

func (c *coordinatorCache) setBroker(of coordinator, broker int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = make(map[coordinator]int32)
	}
	c.known[of] = broker
}

func (c *coordinatorCache) forgetBroker(of coordinator) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, of)
}

// NoteMoved forgets the coordinator for req if err can mean that another broker
// has taken over.
func (c *Cluster) NoteMoved(req protocol.Message, err error) {
	if err == nil || JudgeError(err) != Again || errors.Is(err, kafkago.ConcurrentTransactions) {
		return
	}
	if of, ok := coordinatorFor(req); ok {
		c.coordinators.forgetBroker(of)
	}
}

// RoundTrip sends a request of kafka-go's own, to its coordinator if it has
// one. The caller passes every error to NoteMoved, also one in the answer.
func (c *Cluster) RoundTrip(ctx context.Context, req protocol.Message) (protocol.Message, error) {
	of, ok := coordinatorFor(req)
	if !ok {
		return c.wire.RoundTrip(ctx, req)
	}
	broker, err := c.findCoordinator(ctx, of)
	if err != nil {
		return nil, err
	}
	return c.wire.RoundTripTo(ctx, broker, req)
}

func (c *Cluster) findCoordinator(ctx context.Context, of coordinator) (int32, error) {
	if broker, ok := c.coordinators.lookUp(of); ok {
		return broker, nil
	}
	req := &findcoordinator.Request{Key: of.name}
	if of.transaction {
		req.KeyType = 1
	}
	m, err := c.wire.RoundTrip(ctx, req)
	if err != nil {
		return 0, err
	}
	res := m.(*findcoordinator.Response)
	if err := ErrorFromCode(res.ErrorCode); err != nil {
		return 0, err
	}
	c.coordinators.setBroker(of, res.NodeID)
	return res.NodeID, nil
}
