package cluster

import (
	"context"
	"errors"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// Coordinator is the way to the broker that coordinates a group or a
// transactional id. It remembers the broker until one fails to answer. It is
// safe for concurrent use.
type Coordinator struct {
	cluster     *Cluster
	name        string
	transaction bool

	mu     sync.Mutex
	broker int32     // -1 if it has to be looked for
	busy   time.Time // since when it ends another transaction; zero if it does not
}

// busyLimit is how long a coordinator is believed that it ends the last
// transaction, which takes it milliseconds. One that was cut off from the other
// brokers says so until it is joined again, since it cannot store the end.
const busyLimit = 2 * time.Second

// coordinatorKey names a group or a transactional id.
type coordinatorKey struct {
	name        string
	transaction bool
}

// coordinatorTable has the coordinators that a process uses: only a few.
type coordinatorTable struct {
	mu    sync.Mutex
	known map[coordinatorKey]*Coordinator
}

// GroupCoordinator returns the way to the coordinator of a group.
func (c *Cluster) GroupCoordinator(group string) *Coordinator {
	return c.coordinatorOf(coordinatorKey{name: group})
}

// TransactionCoordinator returns the way to the coordinator of a transactional
// id. An empty id has none: any broker will do.
func (c *Cluster) TransactionCoordinator(id string) *Coordinator {
	return c.coordinatorOf(coordinatorKey{name: id, transaction: true})
}

func (c *Cluster) coordinatorOf(key coordinatorKey) *Coordinator {
	c.coordinators.mu.Lock()
	defer c.coordinators.mu.Unlock()
	k := c.coordinators.known[key]
	if k == nil {
		k = &Coordinator{cluster: c, name: key.name, transaction: key.transaction, broker: -1}
		if c.coordinators.known == nil {
			c.coordinators.known = make(map[coordinatorKey]*Coordinator)
		}
		c.coordinators.known[key] = k
	}
	return k
}

// Ask sends a request to the coordinator, in the highest version from least to
// most that it speaks. The exchange takes limit at most, or the usual time if
// that is zero. The caller passes a code in the answer to NoteCode.
func (k *Coordinator) Ask(
	ctx context.Context, req kmsg.Request, least, most int16, limit time.Duration,
) (kmsg.Response, error) {
	res, _, err := k.AskPeer(ctx, req, least, most, limit)
	return res, err
}

// AskPeer does the same, and tells of the broker that has answered.
func (k *Coordinator) AskPeer(
	ctx context.Context, req kmsg.Request, least, most int16, limit time.Duration,
) (kmsg.Response, *dial.Peer, error) {
	broker, err := k.findBroker(ctx, limit)
	if err != nil {
		return nil, nil, err
	}
	res, peer, err := k.cluster.wire.Ask(ctx, wire.Question{
		Broker: broker, Request: req, Least: least, Most: most, Limit: limit,
	})
	if err != nil {
		if IsDoubtful(err) && ctx.Err() == nil {
			k.cluster.NoteDoubt(broker)
		}
		k.NoteMoved()
	}
	return res, peer, err
}

// NoteMoved has the coordinator be looked for with the next request.
func (k *Coordinator) NoteMoved() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.broker = -1
}

// NoteDoubt does the same, and has another broker be asked: the last one may
// know no better than the coordinator that it has named.
func (k *Coordinator) NoteDoubt() {
	k.mu.Lock()
	broker := k.broker
	k.mu.Unlock()
	k.cluster.NoteDoubt(broker)
	k.NoteMoved()
}

// NoteCode forgets the coordinator if a code in its answer can mean that
// another broker has taken over.
func (k *Coordinator) NoteCode(err error) {
	busy := errors.Is(err, kafkago.ConcurrentTransactions)
	switch overdue := k.noteBusy(busy); {
	case overdue:
		k.NoteDoubt()
	case err == nil || busy || JudgeError(err) != Again:
	case IsDoubtful(err):
		k.NoteDoubt()
	default:
		k.NoteMoved()
	}
}

// noteBusy notes whether the coordinator ends another transaction. It is true
// if that has taken too long, and then again after as long.
func (k *Coordinator) noteBusy(busy bool) (overdue bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch now := time.Now(); {
	case !busy:
		k.busy = time.Time{}
	case k.busy.IsZero():
		k.busy = now
	case now.Sub(k.busy) >= busyLimit:
		k.busy = now
		return true
	}
	return false
}

// MayPass tells whether the request of an error may succeed later.
func (k *Coordinator) MayPass(err error) bool { return JudgeError(err) == Again }

// findBroker returns the coordinating broker; -1 if any will do.
func (k *Coordinator) findBroker(ctx context.Context, limit time.Duration) (int32, error) {
	if k.name == "" {
		return -1, nil
	}
	k.mu.Lock()
	broker := k.broker
	k.mu.Unlock()
	if broker >= 0 {
		return broker, nil
	}
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorKey = k.name
	if k.transaction {
		req.CoordinatorType = 1
	}
	answer, err := k.cluster.askAny(ctx, wire.Question{Request: req, Least: 1, Most: 3, Limit: limit})
	if err != nil {
		return 0, err
	}
	res := answer.(*kmsg.FindCoordinatorResponse)
	if err := ErrorFromCode(res.ErrorCode); err != nil {
		return 0, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.broker = res.NodeID
	return res.NodeID, nil
}
