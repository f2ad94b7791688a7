package kafka

import (
	"context"
	"errors"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/addoffsetstotxn"
	"github.com/segmentio/kafka-go/protocol/addpartitionstotxn"
	"github.com/segmentio/kafka-go/protocol/endtxn"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
	"github.com/segmentio/kafka-go/protocol/txnoffsetcommit"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
)

// producer is one producer id and the sequence numbers that it has reached. It
// is used by the goroutine that holds the token of its lane's transaction. Its
// requests are sent again until they are answered.
type producer struct {
	cluster *cluster.Cluster
	name    string // transactional id; "" if it is idempotent only
	timeout time.Duration
	id      int64
	epoch   int16
	next    map[string][]int32 // by topic and partition
	// uncertain says that a request may still be on its way which was sent
	// again because no answer came. It could end, or move the offsets of, a
	// transaction that is opened later, if the epoch stayed the same.
	uncertain bool
}

// newProducer returns a producer that has yet to begin. Timeout is after how
// long the brokers abort a transaction by themselves.
func newProducer(c *cluster.Cluster, name string, timeout time.Duration) *producer {
	return &producer{cluster: c, name: name, timeout: timeout, id: -1, epoch: -1}
}

// initID asks for a producer id, which aborts the transaction that the id's
// last owner left open. With claim the last owner may be anybody; without, it
// must be this producer itself, and the error is ErrTakenOver otherwise. All
// sequence numbers start again.
func (p *producer) initID(ctx context.Context, claim bool) error {
	req := &initproducerid.Request{
		TransactionalID: p.name, TransactionTimeoutMs: int32(p.timeout.Milliseconds()),
		ProducerID: -1, ProducerEpoch: -1,
	}
	if !claim {
		req.ProducerID, req.ProducerEpoch = p.id, p.epoch
	}
	err := p.cluster.RetryCall(ctx, "producer id", func(ctx context.Context) error {
		m, err := p.cluster.RoundTrip(ctx, req)
		if err != nil {
			return err
		}
		res := m.(*initproducerid.Response)
		if res.ErrorCode == 0 {
			p.id, p.epoch = res.ProducerID, res.ProducerEpoch
		}
		err = cluster.ErrorFromCode(res.ErrorCode)
		p.cluster.NoteMoved(req, err)
		return err
	})
	if !claim && (errors.Is(err, kafkago.ProducerFenced) || errors.Is(err, kafkago.InvalidProducerEpoch)) {
		return ErrTakenOver
	}
	p.next, p.uncertain = make(map[string][]int32), false
	return err
}

// sendAgain sends a request of the transaction until it is answered.
func (p *producer) sendAgain(
	ctx context.Context, name string, req protocol.Message, do func(context.Context) error,
) error {
	return p.cluster.RetryCall(ctx, name, func(ctx context.Context) error {
		err := do(ctx)
		p.cluster.NoteMoved(req, err)
		if _, answered := errors.AsType[kafkago.Error](err); err != nil && !answered {
			p.uncertain = true
		}
		return err
	})
}

// nextSequences returns the next sequence numbers of a topic's partitions. The
// caller reads and advances them.
func (p *producer) nextSequences(topic string, partitions int32) []int32 {
	s := p.next[topic]
	if len(s) < int(partitions) {
		s = append(s, make([]int32, int(partitions)-len(s))...)
		p.next[topic] = s
	}
	return s
}

// stampBatch returns the marks of a batch that let the broker store it once.
func (p *producer) stampBatch(sequence int32) batch.Producer {
	return batch.Producer{ID: p.id, Epoch: p.epoch, Sequence: sequence, Transactional: p.name != ""}
}

// addPartitions adds partitions of a topic to the transaction, and opens one if
// none is.
func (p *producer) addPartitions(ctx context.Context, topic string, partitions []int32) error {
	req := &addpartitionstotxn.Request{
		TransactionalID: p.name, ProducerID: p.id, ProducerEpoch: p.epoch,
		Topics: []addpartitionstotxn.RequestTopic{{Name: topic, Partitions: partitions}},
	}
	return p.sendAgain(ctx, "partitions of a transaction", req, func(ctx context.Context) error {
		m, err := p.cluster.RoundTrip(ctx, req)
		if err != nil {
			return err
		}
		var worst error
		for _, t := range m.(*addpartitionstotxn.Response).Results {
			for _, r := range t.Results {
				worst = cluster.WorseOf(worst, cluster.ErrorFromCode(r.ErrorCode))
			}
		}
		return worst
	})
}

// addOffsets adds a group's offsets to the transaction, and opens one if none
// is.
func (p *producer) addOffsets(ctx context.Context, group string) error {
	req := &addoffsetstotxn.Request{
		TransactionalID: p.name, ProducerID: p.id, ProducerEpoch: p.epoch, GroupID: group,
	}
	return p.sendAgain(ctx, "offsets of a transaction", req, func(ctx context.Context) error {
		m, err := p.cluster.RoundTrip(ctx, req)
		if err != nil {
			return err
		}
		return cluster.ErrorFromCode(m.(*addoffsetstotxn.Response).ErrorCode)
	})
}

// commitOffsets writes offsets that become valid when the transaction is
// committed.
func (p *producer) commitOffsets(ctx context.Context, o cluster.Owner, topic string, offsets []cluster.Offset) error {
	req := &txnoffsetcommit.Request{
		TransactionalID: p.name, ProducerID: p.id, ProducerEpoch: p.epoch,
		GroupID: o.Group, GenerationID: o.Generation, MemberID: o.Member,
		Topics: []txnoffsetcommit.RequestTopic{{Name: topic}},
	}
	for _, at := range offsets {
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, txnoffsetcommit.RequestPartition{
			Partition: at.Partition, CommittedOffset: at.Next, CommittedLeaderEpoch: -1, CommittedMetadata: at.Metadata,
		})
	}
	return p.sendAgain(ctx, "offsets of a transaction", req, func(ctx context.Context) error {
		m, err := p.cluster.RoundTrip(ctx, req)
		if err != nil {
			return err
		}
		var worst error
		for _, t := range m.(*txnoffsetcommit.Response).Topics {
			for _, r := range t.Partitions {
				worst = cluster.WorseOf(worst, cluster.ErrorFromCode(r.ErrorCode))
			}
		}
		return worst
	})
}

// endTransaction commits or aborts the transaction. A lost answer is asked for
// again: the coordinator repeats it to a producer that has not moved on since.
func (p *producer) endTransaction(ctx context.Context, commit bool) error {
	req := &endtxn.Request{TransactionalID: p.name, ProducerID: p.id, ProducerEpoch: p.epoch, Committed: commit}
	return p.sendAgain(ctx, "end of a transaction", req, func(ctx context.Context) error {
		m, err := p.cluster.RoundTrip(ctx, req)
		if err != nil {
			return err
		}
		return cluster.ErrorFromCode(m.(*endtxn.Response).ErrorCode)
	})
}
