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

// producer is one producer id and the sequence numbers that it has reached. Whoever has the turn of its lane
// uses it. Its requests are sent again until they are answered, and each of them may be.
type producer struct {
	cluster *cluster.Cluster
	name    string // transactional id; "" if it is idempotent only
	timeout time.Duration
	id      int64
	epoch   int16
	next    map[string][]int32 // by topic and partition
	// uncertain says that a request may still be on its way which was sent again because no answer came. It
	// could end, or move the offsets of, a transaction that is opened later, if the epoch stayed the same.
	uncertain bool
}

// newProducer returns a producer that has yet to begin. Timeout is after how long the brokers abort a transaction
// by themselves.
func newProducer(c *cluster.Cluster, name string, timeout time.Duration) *producer {
	return &producer{cluster: c, name: name, timeout: timeout, id: -1, epoch: -1}
}

// begin asks for a producer id, which ends whatever its last owner left open: with claim, whoever that was;
// without, only if it was this producer itself, and ErrTakenOver otherwise. All sequence numbers start again.
func (p *producer) begin(ctx context.Context, claim bool) error {
	req := &initproducerid.Request{
		TransactionalID: p.name, TransactionTimeoutMs: int32(p.timeout.Milliseconds()),
		ProducerID: -1, ProducerEpoch: -1,
	}
	if !claim {
		req.ProducerID, req.ProducerEpoch = p.id, p.epoch
	}
	err := p.cluster.Retry(ctx, "producer id", func(ctx context.Context) error {
		m, err := p.cluster.RoundTrip(ctx, req)
		if err != nil {
			return err
		}
		res := m.(*initproducerid.Response)
		if res.ErrorCode == 0 {
			p.id, p.epoch = res.ProducerID, res.ProducerEpoch
		}
		err = cluster.FromCode(res.ErrorCode)
		p.cluster.NoteMoved(req, err)
		return err
	})
	if !claim && (errors.Is(err, kafkago.ProducerFenced) || errors.Is(err, kafkago.InvalidProducerEpoch)) {
		return ErrTakenOver
	}
	p.next, p.uncertain = make(map[string][]int32), false
	return err
}

// send sends a request of the transaction until it is answered.
func (p *producer) send(ctx context.Context, what string, req protocol.Message, do func(context.Context) error) error {
	return p.cluster.Retry(ctx, what, func(ctx context.Context) error {
		err := do(ctx)
		p.cluster.NoteMoved(req, err)
		if _, answered := errors.AsType[kafkago.Error](err); err != nil && !answered {
			p.uncertain = true
		}
		return err
	})
}

// sequences are the next sequence numbers of a topic's partitions, to be read and moved.
func (p *producer) sequences(topic string, partitions int32) []int32 {
	s := p.next[topic]
	if len(s) < int(partitions) {
		s = append(s, make([]int32, int(partitions)-len(s))...)
		p.next[topic] = s
	}
	return s
}

// stamp is what a batch carries so that it is stored once.
func (p *producer) stamp(sequence int32) batch.Producer {
	return batch.Producer{ID: p.id, Epoch: p.epoch, Sequence: sequence, Transactional: p.name != ""}
}

// addPartitions makes partitions of a topic part of the transaction, and opens it if none is.
func (p *producer) addPartitions(ctx context.Context, topic string, partitions []int32) error {
	req := &addpartitionstotxn.Request{
		TransactionalID: p.name, ProducerID: p.id, ProducerEpoch: p.epoch,
		Topics: []addpartitionstotxn.RequestTopic{{Name: topic, Partitions: partitions}},
	}
	return p.send(ctx, "partitions of a transaction", req, func(ctx context.Context) error {
		m, err := p.cluster.RoundTrip(ctx, req)
		if err != nil {
			return err
		}
		var worst error
		for _, t := range m.(*addpartitionstotxn.Response).Results {
			for _, r := range t.Results {
				worst = cluster.Worse(worst, cluster.FromCode(r.ErrorCode))
			}
		}
		return worst
	})
}

// addOffsets makes a group's offsets part of the transaction, and opens it if none is.
func (p *producer) addOffsets(ctx context.Context, group string) error {
	req := &addoffsetstotxn.Request{
		TransactionalID: p.name, ProducerID: p.id, ProducerEpoch: p.epoch, GroupID: group,
	}
	return p.send(ctx, "offsets of a transaction", req, func(ctx context.Context) error {
		m, err := p.cluster.RoundTrip(ctx, req)
		if err != nil {
			return err
		}
		return cluster.FromCode(m.(*addoffsetstotxn.Response).ErrorCode)
	})
}

// commitOffsets writes offsets that become valid when the transaction is committed.
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
	return p.send(ctx, "offsets of a transaction", req, func(ctx context.Context) error {
		m, err := p.cluster.RoundTrip(ctx, req)
		if err != nil {
			return err
		}
		var worst error
		for _, t := range m.(*txnoffsetcommit.Response).Topics {
			for _, r := range t.Partitions {
				worst = cluster.Worse(worst, cluster.FromCode(r.ErrorCode))
			}
		}
		return worst
	})
}

// end commits or aborts the transaction. An answer that was lost is asked for again: to a producer that has
// not moved on since, the coordinator gives it again.
func (p *producer) end(ctx context.Context, commit bool) error {
	req := &endtxn.Request{TransactionalID: p.name, ProducerID: p.id, ProducerEpoch: p.epoch, Committed: commit}
	return p.send(ctx, "end of a transaction", req, func(ctx context.Context) error {
		m, err := p.cluster.RoundTrip(ctx, req)
		if err != nil {
			return err
		}
		return cluster.FromCode(m.(*endtxn.Response).ErrorCode)
	})
}
