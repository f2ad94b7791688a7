package cluster

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// ListTransactions returns the transactional ids of the transactions that are
// open, in order. Each broker knows those that it coordinates, and names those
// that the user may write with. An error beside ids is that of the brokers that
// did not tell. Kafka 3.0 or later is needed; brokers before it are no error,
// since asking them again does not help.
func (c *Cluster) ListTransactions(ctx context.Context) (ids []string, err error) {
	c.brokers.mu.Lock()
	brokers := slices.Clone(c.brokers.ids)
	c.brokers.mu.Unlock()
	for _, broker := range brokers {
		req := kmsg.NewPtrListTransactionsRequest()
		req.StateFilters = []string{"Ongoing"}
		answer, _, asked := c.wire.Ask(ctx, wire.Question{Broker: broker, Request: req, Limit: describeLimit})
		if asked == nil {
			res := answer.(*kmsg.ListTransactionsResponse)
			asked = ErrorFromCode(res.ErrorCode)
			for i := range res.TransactionStates {
				ids = append(ids, res.TransactionStates[i].TransactionalID)
			}
		}
		if asked != nil && JudgeError(asked) == Again {
			err = errors.Join(err, asked)
		}
	}
	slices.Sort(ids)
	return ids, err
}

// AbortTransaction aborts the transaction of a transactional id, and fences its
// producer. Timeout is that of the producer which nobody will use.
func (c *Cluster) AbortTransaction(ctx context.Context, id string, timeout time.Duration) error {
	coordinator := &Coordinator{cluster: c, name: id, transaction: true, broker: -1}
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis = &id, int32(timeout.Milliseconds())
	req.ProducerID, req.ProducerEpoch = -1, -1
	answer, err := coordinator.Ask(ctx, req, 3, 5, describeLimit)
	if err != nil {
		return err
	}
	return ErrorFromCode(answer.(*kmsg.InitProducerIDResponse).ErrorCode)
}
