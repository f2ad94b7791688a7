package cluster

import (
	"context"
	"errors"
	"sync"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/findcoordinator"
)

// coordinator is what a broker coordinates: a group or a transactional id. They are as many as a process uses.
type coordinator struct {
	transaction bool
	name        string
}

// coordinators remembers which broker coordinates what, until one fails to answer for it.
type coordinators struct {
	mu    sync.Mutex
	known map[coordinator]int32
}

// coordinated tells what req is about, if that has a coordinator.
func coordinated(req protocol.Message) (of coordinator, ok bool) {
	switch m := req.(type) {
	case protocol.GroupMessage:
		of = coordinator{name: m.Group()}
	case protocol.TransactionalMessage:
		of = coordinator{name: m.Transaction(), transaction: true}
	}
	return of, of.name != ""
}

func (c *coordinators) get(of coordinator) (broker int32, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	broker, ok = c.known[of]
	return broker, ok
}

func (c *coordinators) put(of coordinator, broker int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = make(map[coordinator]int32)
	}
	c.known[of] = broker
}

func (c *coordinators) forget(of coordinator) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, of)
}

// NoteMoved has the coordinator of what req is about looked up again, if err can mean that there is another one.
func (c *Cluster) NoteMoved(req protocol.Message, err error) {
	if err == nil || Judge(err) != Again || errors.Is(err, kafkago.ConcurrentTransactions) {
		return
	}
	if of, ok := coordinated(req); ok {
		c.coordinators.forget(of)
	}
}

// RoundTrip sends a request of kafka-go's own, to the coordinator of what it is about if there is one. Who gets an error,
// also in the answer, calls NoteMoved.
func (c *Cluster) RoundTrip(ctx context.Context, req protocol.Message) (protocol.Message, error) {
	of, ok := coordinated(req)
	if !ok {
		return c.wire.RoundTrip(ctx, req)
	}
	broker, err := c.coordinatorOf(ctx, of)
	if err != nil {
		return nil, err
	}
	return c.wire.RoundTripTo(ctx, broker, req)
}

func (c *Cluster) coordinatorOf(ctx context.Context, of coordinator) (int32, error) {
	if broker, ok := c.coordinators.get(of); ok {
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
	if err := FromCode(res.ErrorCode); err != nil {
		return 0, err
	}
	c.coordinators.put(of, res.NodeID)
	return res.NodeID, nil
}
