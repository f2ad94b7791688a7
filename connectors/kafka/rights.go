package kafka

import (
	"context"
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// Right is an operation that an ACL allows or denies: its number in the Kafka
// protocol.
type Right int

// The rights that this package's requests take.
const (
	RightRead            Right = 3
	RightWrite           Right = 4
	RightDescribe        Right = 8
	RightDescribeConfigs Right = 10
)

// Rights are the operations that the brokers allow on a topic or a group.
type Rights struct {
	// Known is false if the brokers do not tell: they are too old, or have no
	// authorizer.
	Known bool
	bits  int32
}

// Has tells whether the brokers allow an operation.
func (r Rights) Has(one Right) bool { return r.Known && r.bits&(1<<one) != 0 }

// newRights reads the bits of an answer.
func newRights(bits int32) Rights {
	if bits == math.MinInt32 { // the protocol's word for "not told"
		return Rights{}
	}
	return Rights{Known: true, bits: bits}
}

// ReadTopicRights asks the brokers which operations they allow on a topic.
// Nothing is made by asking. Rights on a topic that is not there, or that may
// not be seen, are not known.
func ReadTopicRights(ctx context.Context, c *cluster.Cluster, topic string) (Rights, error) {
	req := kmsg.NewPtrMetadataRequest()
	one := kmsg.NewMetadataRequestTopic()
	one.Topic = &topic
	req.Topics = append(req.Topics, one)
	req.AllowAutoTopicCreation, req.IncludeTopicAuthorizedOperations = false, true
	m, _, err := c.Wire().Ask(ctx, wire.Question{Broker: -1, Request: req, Least: 8, Most: 9})
	if err != nil {
		return Rights{}, err
	}
	for _, t := range m.(*kmsg.MetadataResponse).Topics {
		if t.Topic != nil && *t.Topic == topic && t.ErrorCode == 0 {
			return newRights(t.AuthorizedOperations), nil
		}
	}
	return Rights{}, nil
}

// ChooseDelivery tells whether a Sink with these options would write exactly
// once, as NewSink decides it; the topic need not be there.
func ChooseDelivery(c *cluster.Cluster, o SinkOptions) (exactlyOnce bool, err error) {
	o, err = o.withDefaults()
	if err != nil {
		return false, err
	}
	s := &Sink{SinkOptions: o, cluster: c}
	err = s.chooseDelivery()
	return s.exactly, err
}

// Group is a consumer group as its coordinator sees it.
type Group struct {
	Rights  Rights
	State   string // Dead if there is no such group
	Members int
}

// DescribeGroup asks the group's coordinator about it. Nothing is made by
// asking.
func DescribeGroup(ctx context.Context, c *cluster.Cluster, group string) (Group, error) {
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKey = group
	m, _, err := c.Wire().Ask(ctx, wire.Question{Broker: -1, Request: find, Least: 0, Most: 3})
	if err != nil {
		return Group{}, err
	}
	found := m.(*kmsg.FindCoordinatorResponse)
	if err := cluster.ErrorFromCode(found.ErrorCode); err != nil {
		return Group{}, err
	}
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups, req.IncludeAuthorizedOperations = []string{group}, true
	if m, _, err = c.Wire().Ask(ctx, wire.Question{Broker: found.NodeID, Request: req, Least: 3, Most: 5}); err != nil {
		return Group{}, err
	}
	for _, g := range m.(*kmsg.DescribeGroupsResponse).Groups {
		if g.Group != group {
			continue
		}
		if err := cluster.ErrorFromCode(g.ErrorCode); err != nil {
			return Group{}, err
		}
		return Group{Rights: newRights(g.AuthorizedOperations), State: g.State, Members: len(g.Members)}, nil
	}
	return Group{}, nil
}
