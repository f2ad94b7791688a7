package membership

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	protocolType = "consumer"
	protocolName = "streamcrypt-1"

	subscriptionVersion = 2 // the first with a generation
	assignmentVersion   = 1

	// maxUserData bounds the user data of a leader, in bytes.
	maxUserData = 4 << 20
	// maxProcess bounds the name of a process, in bytes.
	maxProcess = 255
)

// encodeSubscription returns the standard bytes of a subscription
// (ConsumerProtocolSubscription). The user data is the name of the process.
func encodeSubscription(topics []string, owned []Partition, generation int32, process string) []byte {
	s := kmsg.NewConsumerMemberMetadata()
	s.Version, s.Topics, s.Generation = subscriptionVersion, topics, generation
	if process != "" {
		s.UserData = []byte(process)
	}
	for topic, numbers := range groupByTopic(owned) {
		o := kmsg.NewConsumerMemberMetadataOwnedPartition()
		o.Topic, o.Partitions = topic, numbers
		s.OwnedPartitions = append(s.OwnedPartitions, o)
	}
	slices.SortFunc(s.OwnedPartitions, func(a, b kmsg.ConsumerMemberMetadataOwnedPartition) int {
		return cmp.Compare(a.Topic, b.Topic)
	})
	return s.AppendTo(nil)
}

// decodeSubscription reads a member's subscription.
func decodeSubscription(id string, b []byte) (view memberView, err error) {
	s := kmsg.NewConsumerMemberMetadata()
	if err := s.ReadFrom(b); err != nil {
		return memberView{id: id}, err
	}
	view = memberView{id: id, topics: make(map[string]bool, len(s.Topics)), generation: s.Generation}
	if len(s.UserData) <= maxProcess {
		view.process = string(s.UserData)
	}
	for _, t := range s.Topics {
		view.topics[t] = true
	}
	for i := range s.OwnedPartitions {
		for _, n := range s.OwnedPartitions[i].Partitions {
			view.owned = append(view.owned, Partition{s.OwnedPartitions[i].Topic, n})
		}
	}
	return view, nil
}

// assignment is the part of a plan that one member gets.
type assignment struct {
	partitions []Partition
	facts      facts
	known      bool // the leader has sent facts
}

// facts are the user data of an assignment. See the package comment.
type facts struct {
	Partitions map[string]int32 `json:"partitions"`
	Fresh      []string         `json:"fresh,omitempty"`
	Waiting    int              `json:"waiting,omitempty"`
}

func (f *facts) isFresh(p Partition) bool {
	return slices.Contains(f.Fresh, p.Topic) && p.Number < f.Partitions[p.Topic]
}

// encodeAssignment returns the standard bytes of an assignment
// (ConsumerProtocolAssignment).
func encodeAssignment(partitions []Partition, f facts) ([]byte, error) {
	data, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	a := kmsg.NewConsumerMemberAssignment()
	a.Version, a.UserData = assignmentVersion, data
	for topic, numbers := range groupByTopic(partitions) {
		t := kmsg.NewConsumerMemberAssignmentTopic()
		t.Topic, t.Partitions = topic, numbers
		a.Topics = append(a.Topics, t)
	}
	slices.SortFunc(a.Topics, func(a, b kmsg.ConsumerMemberAssignmentTopic) int {
		return cmp.Compare(a.Topic, b.Topic)
	})
	return a.AppendTo(nil), nil
}

// decodeAssignment reads an assignment; no bytes are no partitions. User data
// that is not ours is ignored.
func decodeAssignment(b []byte) (assignment, error) {
	var out assignment
	if len(b) == 0 {
		return out, nil
	}
	a := kmsg.NewConsumerMemberAssignment()
	if err := a.ReadFrom(b); err != nil {
		return out, err
	}
	for i := range a.Topics {
		for _, n := range a.Topics[i].Partitions {
			out.partitions = append(out.partitions, Partition{a.Topics[i].Topic, n})
		}
	}
	sortPartitions(out.partitions)
	out.partitions = slices.Compact(out.partitions)
	if len(a.UserData) > 0 && len(a.UserData) <= maxUserData {
		out.known = json.Unmarshal(a.UserData, &out.facts) == nil && out.facts.Partitions != nil
	}
	if !out.known {
		out.facts = facts{}
	}
	return out, nil
}

func groupByTopic(partitions []Partition) map[string][]int32 {
	by := make(map[string][]int32)
	for _, p := range partitions {
		by[p.Topic] = append(by[p.Topic], p.Number)
	}
	for _, numbers := range by {
		slices.Sort(numbers)
	}
	return by
}

func sortPartitions(ps []Partition) {
	slices.SortFunc(ps, func(a, b Partition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Number, b.Number))
	})
}
