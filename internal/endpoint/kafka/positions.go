package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	connector "github.com/streamcrypt/streamcrypt/connectors/kafka"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// errReaders says that a group cannot be given positions.
var errReaders = errors.New("the group has positions already")

// positions are the topics of an end, and the groups that read them.
type positions struct {
	cluster *cluster.Cluster
	source  *connector.Source
	asked   []wire.TopicPartition
}

// OpenPositions implements endpoint.Positioned. A source is looked at as verify
// would read it: no group is joined.
func (t *topic) OpenPositions(
	ctx context.Context, s *endpoint.Session, topics []string,
) (*endpoint.Positions, error) {
	look := *t
	look.as, look.group, look.start = endpoint.Look, "", connector.Start{}
	look.until = connector.Until{End: true}
	if topics != nil {
		look.topic = strings.Join(topics, ",")
	}
	var err error
	if look.reads, err = connector.ParseTopicNames(look.topic); err != nil {
		return nil, err
	}
	c, err := look.conn.connect(ctx, s)
	if err != nil {
		return nil, err
	}
	source, err := connector.NewSource(ctx, c, look.sourceOptions(s.Log))
	if err != nil {
		return nil, err
	}
	p := &positions{cluster: c, source: source}
	out := &endpoint.Positions{
		Own: t.group, ReadReaders: p.readReaders, MoveReaders: p.moveReaders, ListEnds: p.listEnds,
	}
	out.Places, err = p.openPlaces(ctx)
	return out, err
}

func (p *positions) openPlaces(ctx context.Context) ([]endpoint.PositionedPlace, error) {
	peekers, err := p.source.Peekers(ctx)
	if err != nil {
		return nil, err
	}
	clusterID, _ := p.source.Identity()
	places := make([]endpoint.PositionedPlace, len(peekers))
	for i, peeker := range peekers {
		id, number, ok := p.source.Partition(peeker.Place())
		if !ok {
			return nil, fmt.Errorf("%s: no such partition", peeker.Place())
		}
		identity, err := identifyTopic(clusterID, id)
		if err != nil {
			return nil, err
		}
		topic := cluster.TopicOf(peeker.Place())
		places[i] = endpoint.PositionedPlace{
			Peeker: peeker, Topic: topic, Number: number, Identity: identity,
			Compacted: p.source.IsCompacted(peeker.Place()),
		}
		p.asked = append(p.asked, wire.TopicPartition{Topic: topic, Partition: number})
	}
	return places, nil
}

// readReaders asks for the offsets of a group, and waits for transactions that
// are about to move them.
func (p *positions) readReaders(ctx context.Context, group string) (*endpoint.Readers, error) {
	found := &endpoint.Readers{Next: make(map[string]int64)}
	if err := p.addMembers(ctx, group, found); err != nil {
		return nil, err
	}
	err := p.cluster.RetryCall(ctx, "offsets of group "+group, func(ctx context.Context) error {
		offsets, err := p.cluster.ReadOffsets(ctx, group, p.asked)
		if err != nil {
			return err
		}
		var worst error
		for i := range offsets {
			switch {
			case offsets[i].Err != nil:
				worst = cluster.WorseOf(worst, offsets[i].Err)
			case offsets[i].Offset >= 0:
				found.Next[cluster.PlaceOf(p.asked[i].Topic, p.asked[i].Partition)] = offsets[i].Offset
			}
		}
		return worst
	})
	return found, p.nameRight(group, "Read", err)
}

// addMembers asks how many members a group has.
func (p *positions) addMembers(ctx context.Context, group string, found *endpoint.Readers) error {
	err := p.cluster.RetryCall(ctx, "members of group "+group, func(ctx context.Context) error {
		g, err := p.cluster.DescribeGroup(ctx, group)
		found.Members = g.Members
		return err
	})
	return p.nameRight(group, "Describe", err)
}

func (p *positions) nameRight(group, operation string, err error) error {
	return p.cluster.NameRight(cluster.Resource{Kind: "group", Name: group}, operation, err)
}

// moveReaders commits the offsets as a run with an end does, which brokers
// refuse while the group has members, and reads them back.
func (p *positions) moveReaders(ctx context.Context, group string, next map[string]int64, replace bool) error {
	now, err := p.readReaders(ctx, group)
	if err != nil {
		return err
	}
	if now.Members > 0 {
		return &hint.Error{
			Err:  fmt.Errorf("group %s: %w: %d", group, cluster.ErrGroupActive, now.Members),
			Hint: "stop the readers of the group, and say it again",
		}
	}
	var offsets []cluster.Offset
	for _, place := range slices.Sorted(maps.Keys(next)) {
		topic, number, ok := cluster.SplitPlace(place)
		if !ok {
			return fmt.Errorf("%s: no partition", place)
		}
		if at, has := now.Next[place]; has && at != next[place] && !replace {
			return &hint.Error{
				Err:  fmt.Errorf("group %s: %w: %s@%d, and %d is to be set", group, errReaders, place, at, next[place]),
				Hint: "name another group, or say --replace if its readers have read nothing that counts",
			}
		}
		offsets = append(offsets, cluster.Offset{
			Topic: topic, Partition: number, Next: next[place], LeaderEpoch: -1,
		})
	}
	if len(offsets) == 0 {
		return nil
	}
	if err := p.cluster.CommitOffsets(ctx, cluster.NoMember(group), offsets); err != nil {
		return p.nameRight(group, "Read", err)
	}
	if now, err = p.readReaders(ctx, group); err != nil {
		return err
	}
	for place, want := range next {
		if at, has := now.Next[place]; !has || at != want {
			return fmt.Errorf("group %s: %s@%d was committed, and the brokers have %d", group, place, want, at)
		}
	}
	return nil
}

// listEnds asks for the high watermarks.
func (p *positions) listEnds(ctx context.Context) (map[string]int64, error) {
	return p.source.ListEnds(ctx)
}

// LookURL implements endpoint.Viewer.
func (t *topic) LookURL(topics []string) string {
	path := t.topic
	if topics != nil {
		path = strings.Join(topics, ",")
	}
	if t.as.Reads() {
		return t.url.Rewrite(path, "group", "session", "rebalance", "membership")
	}
	return t.url.Rewrite(path, "create", "expired", "oversize", "compression", "partition", "delivery")
}
