package membership

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// namelessLayout does not know the name of a topic yet.
type namelessLayout struct{ *layout }

func (namelessLayout) TopicName(context.Context, [16]byte) (string, error) { return "", nil }

// TestUnknownTopicID: an assignment with a topic that is not known yet is not
// followed, and the coordinator is asked to tell it again.
func TestUnknownTopicID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &process{board: newBoard(t), link: newCoordinator(t).link()}
		m, err := New(Options{
			Group: "g", Topics: []string{"t"}, Consumer: true, Coordinator: p.link, Layout: namelessLayout{topic(1)},
			Holder: p, Log: logger,
		})
		if err != nil {
			t.Fatal(err)
		}
		p.Member = m
		c := &consumer{Member: m}
		given := kmsg.NewConsumerGroupHeartbeatResponseAssignment()
		given.Topics = []kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic{{Partitions: []int32{0}}}
		if err := c.followAssignment(t.Context(), &given); !errors.Is(err, kafkago.UnknownTopicID) || !c.full {
			t.Errorf("got %v, the next heartbeat tells everything: %t", err, c.full)
		}
		if has := p.has(); len(has) != 0 {
			t.Errorf("it has taken %v", has)
		}
	})
}
