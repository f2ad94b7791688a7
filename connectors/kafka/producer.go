package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// producer is one producer id and the sequence numbers that it has reached. It
// is used by the goroutine that holds the token of its lane's transaction. Its
// requests are sent again until they are answered.
//
// Transactions are made in one of two ways. In the first one each partition,
// and the group, is added by a request of its own, and the epoch stays the
// same: a request that comes late could end, or add to, a later transaction. So
// after each unknown outcome the producer is initialised anew, which moves the
// epoch. In the second way (KIP-890, where the cluster has transaction.version
// 2) the broker adds partitions by itself and moves the epoch with each end, so
// that a late request is refused.
type producer struct {
	cluster     *cluster.Cluster
	coordinator *cluster.Coordinator
	name        string // transactional id; "" if it is idempotent only
	timeout     time.Duration
	id          int64
	epoch       int16
	next        map[string][]int32 // by topic and partition
	implicit    bool               // the second way
	// uncertain says that a request may still be on its way which was sent
	// again because no answer came. It counts in the first way only.
	uncertain bool
}

// transactionVersion is the feature that says which way a cluster has.
const transactionVersion = "transaction.version"

// newProducer returns a producer that has yet to begin. Timeout is after how
// long the brokers abort a transaction by themselves.
func newProducer(c *cluster.Cluster, name string, timeout time.Duration) *producer {
	return &producer{
		cluster: c, coordinator: c.TransactionCoordinator(name), name: name, timeout: timeout, id: -1, epoch: -1,
	}
}

// answerLimit is how long a coordinator may take to answer a request of a
// transaction, which takes it milliseconds. One that does not is looked for
// anew, and gets the request again.
const answerLimit = 5 * time.Second

// initID asks for a producer id, which aborts the transaction that the id's
// last owner left open. With claim the last owner may be anybody; without, it
// must be this producer itself, and the error is ErrTakenOver otherwise. All
// sequence numbers start again.
func (p *producer) initID(ctx context.Context, claim bool) error {
	err := p.cluster.RetryCall(ctx, "producer id", func(ctx context.Context) error {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID, req.TransactionTimeoutMillis = orNull(p.name), int32(p.timeout.Milliseconds())
		if !claim {
			req.ProducerID, req.ProducerEpoch = p.id, p.epoch
		}
		answer, peer, err := p.coordinator.AskPeer(ctx, req, 3, 5, answerLimit)
		if err != nil {
			return err
		}
		res := answer.(*kmsg.InitProducerIDResponse)
		if res.ErrorCode == 0 {
			p.id, p.epoch = res.ProducerID, res.ProducerEpoch
			p.implicit = p.name != "" && peer.Feature(transactionVersion) >= 2
		}
		err = cluster.ErrorFromCode(res.ErrorCode)
		p.coordinator.NoteCode(err)
		return err
	})
	if !claim && (errors.Is(err, kafkago.ProducerFenced) || errors.Is(err, kafkago.InvalidProducerEpoch)) {
		return ErrTakenOver
	}
	p.next, p.uncertain = make(map[string][]int32), false
	return err
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// sendAgain sends a request of the transaction until it is answered. The
// request is made anew each time, and worst returns the error in the answer.
func (p *producer) sendAgain(
	ctx context.Context, name string, to *cluster.Coordinator, least, most int16,
	request func() kmsg.Request, worst func(kmsg.Response) error,
) error {
	return p.cluster.RetryCall(ctx, name, func(ctx context.Context) error {
		answer, err := to.Ask(ctx, request(), least, most, answerLimit)
		if err != nil {
			p.uncertain = true
			return err
		}
		err = worst(answer)
		to.NoteCode(err)
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

// addPartitions adds partitions to the transaction, and opens one if none is.
// Those of one topic stand together. With a topic that brokers have not known
// for deletedTime the work of the lane is lost: the transaction cannot go on
// without it, and when the lane begins again the topic counts as deleted.
func (p *producer) addPartitions(ctx context.Context, partitions []target) error {
	var since time.Time // the first of the answers that do not know a topic
	return p.sendAgain(ctx, "partitions of a transaction", p.coordinator, 1, 3, func() kmsg.Request {
		req := kmsg.NewPtrAddPartitionsToTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch = p.name, p.id, p.epoch
		var t *kmsg.AddPartitionsToTxnRequestTopic
		for _, at := range partitions {
			if t == nil || t.Topic != at.topic {
				req.Topics = append(req.Topics, kmsg.NewAddPartitionsToTxnRequestTopic())
				t = &req.Topics[len(req.Topics)-1]
				t.Topic = at.topic
			}
			t.Partitions = append(t.Partitions, at.partition)
		}
		return req
	}, func(answer kmsg.Response) (worst error) {
		unknown := ""
		for _, t := range answer.(*kmsg.AddPartitionsToTxnResponse).Topics {
			for _, r := range t.Partitions {
				err := cluster.ErrorFromCode(r.ErrorCode)
				if errors.Is(err, kafkago.UnknownTopicOrPartition) {
					unknown = t.Topic
				}
				worst = cluster.WorseOf(worst, err)
			}
		}
		switch {
		case unknown == "":
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) > deletedTime && cluster.JudgeError(worst) == cluster.Again:
			return fmt.Errorf("%w: kafka topic %s is not known to the brokers", pipeline.ErrLost, unknown)
		}
		return worst
	})
}

// addOffsets adds a group's offsets to the transaction, and opens one if none
// is.
func (p *producer) addOffsets(ctx context.Context, group string) error {
	return p.sendAgain(ctx, "offsets of a transaction", p.coordinator, 1, 3, func() kmsg.Request {
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = p.name, p.id, p.epoch, group
		return req
	}, func(answer kmsg.Response) error {
		return cluster.ErrorFromCode(answer.(*kmsg.AddOffsetsToTxnResponse).ErrorCode)
	})
}

// commitOffsets writes offsets that become valid when the transaction is
// committed.
func (p *producer) commitOffsets(ctx context.Context, o cluster.Owner, offsets []cluster.Offset) error {
	most := int16(3)
	if p.implicit {
		most = 5
	}
	group := p.cluster.GroupCoordinator(o.Group)
	return p.sendAgain(ctx, "offsets of a transaction", group, 3, most, func() kmsg.Request {
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch = p.name, p.id, p.epoch
		req.Group, req.Generation, req.MemberID, req.InstanceID = o.Group, o.Generation, o.Member, orNull(o.Instance)
		var t *kmsg.TxnOffsetCommitRequestTopic
		for i := range offsets {
			if t == nil || t.Topic != offsets[i].Topic {
				req.Topics = append(req.Topics, kmsg.NewTxnOffsetCommitRequestTopic())
				t = &req.Topics[len(req.Topics)-1]
				t.Topic = offsets[i].Topic
			}
			r := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			metadata := offsets[i].Metadata // the request may outlive the offsets
			r.Partition, r.Offset, r.Metadata = offsets[i].Partition, offsets[i].Next, &metadata
			r.LeaderEpoch = offsets[i].LeaderEpoch
			t.Partitions = append(t.Partitions, r)
		}
		return req
	}, func(answer kmsg.Response) (worst error) {
		for _, t := range answer.(*kmsg.TxnOffsetCommitResponse).Topics {
			for _, r := range t.Partitions {
				err := p.cluster.ForgiveDeleted(ctx, t.Topic, cluster.ErrorFromCode(r.ErrorCode))
				worst = cluster.WorseOf(worst, err)
			}
		}
		return worst
	})
}

// endTransaction commits or aborts the transaction. A lost answer is asked for
// again: the coordinator repeats it to a producer that has not moved on since.
func (p *producer) endTransaction(ctx context.Context, commit bool) error {
	least, most := int16(1), int16(4)
	if p.implicit {
		least, most = 5, 5
	}
	return p.sendAgain(ctx, "end of a transaction", p.coordinator, least, most, func() kmsg.Request {
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = p.name, p.id, p.epoch, commit
		return req
	}, func(answer kmsg.Response) error {
		res := answer.(*kmsg.EndTxnResponse)
		if res.ErrorCode == 0 && p.implicit {
			p.beginEpoch(res.ProducerID, res.ProducerEpoch)
		}
		return cluster.ErrorFromCode(res.ErrorCode)
	})
}

// beginEpoch notes the id and the epoch of the next transaction, which come
// with the end of the last one. Sequence numbers begin at zero in each epoch,
// and whatever is still on its way has an epoch that is over.
func (p *producer) beginEpoch(id int64, epoch int16) {
	p.id, p.epoch, p.uncertain = id, epoch, false
	for _, sequences := range p.next {
		clear(sequences)
	}
}
