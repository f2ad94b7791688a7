package cluster

import (
	"context"
	"errors"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// Owner is the committer of offsets: a member of a generation of the group, or
// nobody.
type Owner struct {
	Group      string
	Member     string
	Instance   string // empty if the membership is dynamic
	Generation int32  // -1 for nobody
}

// NoMember returns the owner of a bounded run. Brokers accept its offsets while
// the group has no members.
func NoMember(group string) Owner { return Owner{Group: group, Generation: -1} }

// Offset is a position in the brokers' form.
type Offset struct {
	Topic     string
	Partition int32
	Next      int64
	// LeaderEpoch is that of the last record before Next; -1 if it is not
	// known.
	LeaderEpoch int32
	Metadata    string // see AppendMetadata
}

// CommitOffsets commits offsets outside any transaction. Those of one topic
// stand together.
func (c *Cluster) CommitOffsets(ctx context.Context, o Owner, offsets []Offset) error {
	k := c.GroupCoordinator(o.Group)
	err := c.RetryCall(ctx, "offsets of group "+o.Group, func(ctx context.Context) error {
		answer, err := k.Ask(ctx, commitRequest(o, offsets), 7, 9, 0)
		if err != nil {
			return err
		}
		var worst error
		for _, t := range answer.(*kmsg.OffsetCommitResponse).Topics {
			for _, r := range t.Partitions {
				worst = WorseOf(worst, c.ForgiveDeleted(ctx, t.Topic, ErrorFromCode(r.ErrorCode)))
			}
		}
		k.NoteCode(worst)
		return worst
	})
	if o.Generation < 0 && (errors.Is(err, kafkago.UnknownMemberId) || errors.Is(err, kafkago.RebalanceInProgress)) {
		return fmt.Errorf("%w: %s", ErrGroupActive, o.Group)
	}
	return err
}

func commitRequest(o Owner, offsets []Offset) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.MemberID = o.Group, o.Generation, o.Member
	if o.Instance != "" {
		req.InstanceID = &o.Instance
	}
	var t *kmsg.OffsetCommitRequestTopic
	for i := range offsets {
		if t == nil || t.Topic != offsets[i].Topic {
			req.Topics = append(req.Topics, kmsg.NewOffsetCommitRequestTopic())
			t = &req.Topics[len(req.Topics)-1]
			t.Topic = offsets[i].Topic
		}
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		metadata := offsets[i].Metadata // the request may outlive the offsets
		p.Partition, p.Offset, p.Metadata = offsets[i].Partition, offsets[i].Next, &metadata
		p.LeaderEpoch = offsets[i].LeaderEpoch
		t.Partitions = append(t.Partitions, p)
	}
	return req
}

// ReadOffsets asks for the offsets that a group has committed, once: see
// wire.Client.OffsetFetch.
func (c *Cluster) ReadOffsets(
	ctx context.Context, group string, partitions []wire.TopicPartition,
) ([]wire.CommittedOffset, error) {
	k := c.GroupCoordinator(group)
	broker, err := k.findBroker(ctx, 0)
	if err != nil {
		return nil, err
	}
	found, err := c.wire.OffsetFetch(ctx, broker, group, partitions)
	if err != nil {
		k.NoteCode(err)
	}
	return found, err
}
