package membership

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Leave leaves the group, so that its other members need not wait for the end
// of the session. It is called after Run has returned. A request of Run that
// still waits for its answer has a connection of its own.
func (m *Member) Leave(ctx context.Context) error {
	id := m.Identity()
	if id.Member == "" && id.Instance == "" {
		return nil
	}
	if m.Consumer {
		return m.leaveConsumer(ctx, id)
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = id.Group
	member := kmsg.NewLeaveGroupRequestMember()
	member.MemberID, member.InstanceID, member.Reason = id.Member, optional(id.Instance), optional("the process ends")
	req.Members = append(req.Members, member)
	_, err := m.Coordinator.Ask(ctx, req, 3, 5, leaveLimit)
	return err
}

// leaveLimit is how long leaving may take.
const leaveLimit = 2 * time.Second
