package membership

import (
	"context"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// describeLimit is how long a description of the group may take.
const describeLimit = 5 * time.Second

// The states of a group that has members.
func hasMembers(state string) bool {
	switch state {
	case "", "Empty", "Dead", "empty", "dead":
		return false
	}
	return true
}

// checkGroup refuses a group that members of another program have. Joining it
// could take partitions from them, and would not be understood by all.
func (m *Member) checkGroup(ctx context.Context) error {
	g, err := m.describeGroup(ctx)
	if err != nil {
		return err
	}
	if hasMembers(g.State) && g.ProtocolType == protocolType && g.Protocol == protocolName && !m.Consumer {
		return nil // no other program uses the name
	}
	dealt, err := m.askDealtByBroker(ctx)
	switch {
	case err != nil:
		return err
	case dealt != nil && !m.Consumer:
		return &ForeignGroupError{
			Group: m.Group, Protocol: "consumer: " + dealt.AssignorName, Members: len(dealt.Members),
		}
	case dealt != nil || !hasMembers(g.State):
		return nil
	case m.Consumer:
		return &ForeignGroupError{Group: m.Group, Protocol: "classic: " + g.Protocol, Members: len(g.Members)}
	case g.ProtocolType != protocolType:
		return &ForeignGroupError{Group: m.Group, Protocol: g.ProtocolType, Members: len(g.Members)}
	case g.Protocol == "":
		return nil // its members are about to agree on one, or do not agree with ours
	}
	return &ForeignGroupError{Group: m.Group, Protocol: g.Protocol, Members: len(g.Members)}
}

// describeGroup asks once for the older description of the group, which is
// empty if there is no such group.
func (m *Member) describeGroup(ctx context.Context) (g kmsg.DescribeGroupsResponseGroup, err error) {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{m.Group}
	res, err := m.Coordinator.Ask(ctx, req, 0, 5, describeLimit)
	if err != nil {
		return g, err
	}
	groups := res.(*kmsg.DescribeGroupsResponse).Groups
	if len(groups) != 1 {
		return g, nil
	}
	switch code := kafkago.Error(groups[0].ErrorCode); {
	case code == 0:
		return groups[0], nil
	case code == codeGroupIDNotFound:
		return g, nil
	case !isRefusal(code):
		m.Coordinator.NoteMoved()
		return g, code
	default:
		return g, code
	}
}

// askDealtByBroker describes a group in which the broker deals partitions; nil
// if the group is none, or has no members. The older description says of such a
// group that it does not exist, or that it has no protocol.
func (m *Member) askDealtByBroker(ctx context.Context) (*kmsg.ConsumerGroupDescribeResponseGroup, error) {
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = []string{m.Group}
	res, err := m.Coordinator.Ask(ctx, req, 0, 0, describeLimit)
	if err != nil {
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case m.Coordinator.MayPass(err):
			return nil, err
		}
		return nil, nil //nolint:nilnil // a broker that has no such groups
	}
	groups := res.(*kmsg.ConsumerGroupDescribeResponse).Groups
	if len(groups) != 1 || groups[0].ErrorCode != 0 || !hasMembers(groups[0].State) || len(groups[0].Members) == 0 {
		return nil, nil //nolint:nilnil // the group is none of these
	}
	return &groups[0], nil
}
