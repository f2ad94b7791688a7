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
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{m.Group}
	res, err := m.Coordinator.Ask(ctx, req, 0, 5, describeLimit)
	if err != nil {
		return err
	}
	groups := res.(*kmsg.DescribeGroupsResponse).Groups
	if len(groups) != 1 {
		return nil
	}
	g := &groups[0]
	switch code := kafkago.Error(g.ErrorCode); {
	case code == codeGroupIDNotFound:
	case code != 0:
		if !isRefusal(code) {
			m.Coordinator.NoteMoved()
		}
		return code
	}
	switch {
	case !hasMembers(g.State):
		return m.checkDealtByBroker(ctx)
	case m.Consumer:
		return &ForeignGroupError{Group: m.Group, Protocol: "classic: " + g.Protocol, Members: len(g.Members)}
	case g.ProtocolType == protocolType && (g.Protocol == protocolName || g.Protocol == ""):
		return nil
	}
	foreign := &ForeignGroupError{Group: m.Group, Protocol: g.Protocol, Members: len(g.Members)}
	if g.ProtocolType != protocolType {
		foreign.Protocol = g.ProtocolType
	}
	return foreign
}

// checkDealtByBroker refuses a group in which the broker deals partitions.
// The older description says of it that there is no such group.
func (m *Member) checkDealtByBroker(ctx context.Context) error {
	if m.Consumer {
		return nil
	}
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = []string{m.Group}
	res, err := m.Coordinator.Ask(ctx, req, 0, 0, describeLimit)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return nil // a broker that has no such groups
	}
	groups := res.(*kmsg.ConsumerGroupDescribeResponse).Groups
	if len(groups) != 1 || groups[0].ErrorCode != 0 || !hasMembers(groups[0].State) || len(groups[0].Members) == 0 {
		return nil
	}
	return &ForeignGroupError{
		Group: m.Group, Protocol: "consumer: " + groups[0].AssignorName, Members: len(groups[0].Members),
	}
}
