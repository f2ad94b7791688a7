package kafka

import (
	"context"
	"errors"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/offsetcommit"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// owner is in whose name offsets are committed: a member of a generation of the group, or nobody.
type owner struct {
	group      string
	generation int32
	member     string
}

// nobody is the owner of a bounded run. Brokers accept its offsets while the group has no members.
func nobody(group string) owner { return owner{group: group, generation: -1} }

// offset is a position as brokers keep it.
type offset struct {
	partition int32
	next      int64
	metadata  string
}

// pending are the positions that are to be committed next, by partition.
type pending struct {
	at    map[string]*pipeline.Position // by place; kept from commit to commit
	moved []*pipeline.Position          // in order of their first move
	text  []byte
}

// move notes the positions of done, which are lent.
func (p *pending) move(done *pipeline.Progress) {
	for i := range done.Places {
		p.set(p.of(done.Places[i].Place), &done.Places[i])
	}
}

// restore notes the positions of older, where there is none yet.
func (p *pending) restore(older *pending) {
	for _, from := range older.moved {
		if to := p.of(from.Place); to.Next < 0 {
			p.set(to, from)
		}
	}
}

func (p *pending) of(place string) *pipeline.Position {
	at := p.at[place]
	if at == nil {
		if p.at == nil {
			p.at = make(map[string]*pipeline.Position)
		}
		at = &pipeline.Position{Place: place, Next: -1}
		p.at[place] = at
	}
	return at
}

func (p *pending) set(to, from *pipeline.Position) {
	if to.Next < 0 {
		p.moved = append(p.moved, to)
	}
	state := append(to.State[:0], from.State...)
	*to = *from
	to.State = state
}

func (p *pending) empty() bool { return len(p.moved) == 0 }

// encode appends the positions as brokers keep them.
func (p *pending) encode(dst []offset) ([]offset, error) {
	for _, at := range p.moved {
		partition, ok := partitionOf(at.Place)
		if !ok {
			return nil, fmt.Errorf("kafka: %q is not a partition", at.Place)
		}
		var err error
		if p.text, err = appendMetadata(p.text[:0], at); err != nil {
			return nil, err
		}
		dst = append(dst, offset{partition: partition, next: at.Next, metadata: string(p.text)})
	}
	return dst, nil
}

// settle forgets the positions: they are committed.
func (p *pending) settle() {
	for _, at := range p.moved {
		at.Next = -1
	}
	p.moved = p.moved[:0]
}

// commitOffsets commits offsets outside any transaction.
func (c *Cluster) commitOffsets(ctx context.Context, o owner, topic string, offsets []offset) error {
	req := &offsetcommit.Request{
		GroupID: o.group, GenerationID: o.generation, MemberID: o.member,
		RetentionTimeMs: -1, Topics: []offsetcommit.RequestTopic{{Name: topic}},
	}
	for _, at := range offsets {
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, offsetcommit.RequestPartition{
			PartitionIndex: at.partition, CommittedOffset: at.next, CommittedLeaderEpoch: -1, CommittedMetadata: at.metadata,
		})
	}
	err := c.retry(ctx, "offsets of group "+o.group, func(ctx context.Context) error {
		m, err := c.roundTrip(ctx, req)
		if err != nil {
			return err
		}
		var worst error
		for _, t := range m.(*offsetcommit.Response).Topics {
			for _, r := range t.Partitions {
				worst = worse(worst, coded(r.ErrorCode))
			}
		}
		c.mayHaveMoved(req, worst)
		return worst
	})
	if o.generation < 0 && (errors.Is(err, kafkago.UnknownMemberId) || errors.Is(err, kafkago.RebalanceInProgress)) {
		return fmt.Errorf("%w: %s", ErrGroupActive, o.group)
	}
	return err
}
