package cluster

import (
	"context"
	"errors"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/offsetcommit"
)

// Owner is the committer of offsets: a member of a generation of the group, or
// nobody.
type Owner struct {
	Group      string
	Generation int32
	Member     string
}

// NoMember returns the owner of a bounded run. Brokers accept its offsets while
// the group has no members.
func NoMember(group string) Owner { return Owner{Group: group, Generation: -1} }

// Offset is a position in the brokers' form.
type Offset struct {
	Partition int32
	Next      int64
	Metadata  string // see AppendMetadata
}

// CommitOffsets commits offsets outside any transaction.
func (c *Cluster) CommitOffsets(ctx context.Context, o Owner, topic string, offsets []Offset) error {
	req := &offsetcommit.Request{
		GroupID: o.Group, GenerationID: o.Generation, MemberID: o.Member,
		RetentionTimeMs: -1, Topics: []offsetcommit.RequestTopic{{Name: topic}},
	}
	for _, at := range offsets {
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, offsetcommit.RequestPartition{
			PartitionIndex: at.Partition, CommittedOffset: at.Next, CommittedLeaderEpoch: -1,
			CommittedMetadata: at.Metadata,
		})
	}
	err := c.RetryCall(ctx, "offsets of group "+o.Group, func(ctx context.Context) error {
		m, err := c.RoundTrip(ctx, req)
		if err != nil {
			return err
		}
		var worst error
		for _, t := range m.(*offsetcommit.Response).Topics {
			for _, r := range t.Partitions {
				worst = WorseOf(worst, ErrorFromCode(r.ErrorCode))
			}
		}
		c.NoteMoved(req, worst)
		return worst
	})
	if o.Generation < 0 && (errors.Is(err, kafkago.UnknownMemberId) || errors.Is(err, kafkago.RebalanceInProgress)) {
		return fmt.Errorf("%w: %s", ErrGroupActive, o.Group)
	}
	return err
}
