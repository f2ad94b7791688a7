package membership

import (
	"errors"
	"fmt"
	"slices"

	kafkago "github.com/segmentio/kafka-go"
)

var (
	// ErrInstanceTaken says that another process uses the same instance. It has
	// the partitions now.
	ErrInstanceTaken error = instanceTakenError{}
	// ErrNotHeld says that partitions are not this member's any more.
	ErrNotHeld = errors.New("the partitions are not held any more")
	// ErrLapsed is why a lease has ended: no answer came for almost a session.
	ErrLapsed = errors.New("the group's coordinator has not answered for almost a session")
)

// instanceTakenError is the type of ErrInstanceTaken. A program that knows no
// broker tells it by the method.
type instanceTakenError struct{}

func (instanceTakenError) Error() string { return "instance taken over: another process uses it" }

// InstanceTaken marks the error.
func (instanceTakenError) InstanceTaken() bool { return true }

// ForeignGroupError says that a group belongs to members of another program.
type ForeignGroupError struct {
	Group    string
	Protocol string // by which they share partitions
	Members  int    // 0 if that is not known
}

func (e *ForeignGroupError) Error() string {
	return fmt.Sprintf("group %s is used by another program: its members share partitions by %q", e.Group, e.Protocol)
}

// errUnanswered says that a request of a round was given up, to be sent again.
var errUnanswered = errors.New("no answer, while heartbeats are answered")

// Codes of brokers that kafka-go has no name for.
const (
	codeFencedMemberEpoch    = kafkago.Error(110)
	codeUnsupportedAssignor  = kafkago.Error(112)
	codeGroupMaxSizeReached  = kafkago.Error(81)
	codeFencedInstance       = kafkago.Error(82)
	codeMemberIDRequired     = kafkago.Error(79)
	codeInvalidGroupID       = kafkago.InvalidGroupId
	codeGroupIDNotFound      = kafkago.GroupIdNotFound
	codeUnknownMember        = kafkago.UnknownMemberId
	codeIllegalGeneration    = kafkago.IllegalGeneration
	codeRebalance            = kafkago.RebalanceInProgress
	codeInconsistentProtocol = kafkago.InconsistentGroupProtocol
	codeSessionTimeout       = kafkago.InvalidSessionTimeout
	codeGroupRights          = kafkago.GroupAuthorizationFailed
)

// isRefusal tells whether an answer says that this member or its group is
// configured wrongly. It is fatal for a member that has never joined.
func isRefusal(code kafkago.Error) bool {
	return slices.Contains(refusals, code)
}

var refusals = []kafkago.Error{
	codeInvalidGroupID, codeSessionTimeout, codeGroupRights, codeInconsistentProtocol, codeGroupMaxSizeReached,
	codeUnsupportedAssignor, kafkago.UnsupportedVersion, kafkago.InvalidRequest, codeGroupIDNotFound,
}
