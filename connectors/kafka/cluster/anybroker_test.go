package cluster

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// TestAnyBroker: a question that any broker can answer goes to one that is not
// in doubt.
func TestAnyBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := new(Cluster)
		c.NoteDoubt(chosen) // nobody knows another one yet
		if got := c.anyBroker(); got != chosen {
			t.Errorf("broker %d is asked, and none is known", got)
		}
		c = new(Cluster)
		c.noteBrokers([]wire.Broker{{ID: 3}, {ID: 1}, {ID: 2}})
		for _, step := range []struct {
			after time.Duration
			doubt int32
			want  int32
		}{
			{0, 1, 2},
			{time.Second, 2, 3},
			{time.Second, 3, 1}, // whose doubt is the oldest
			{time.Second, 1, 2},
			{doubtTime - time.Second, 0, 2},
			{2 * time.Second, 0, chosen}, // all of it is long ago
		} {
			time.Sleep(step.after)
			if step.doubt > 0 {
				c.NoteDoubt(step.doubt)
			}
			if got := c.anyBroker(); got != step.want {
				t.Errorf("after a doubt about %d broker %d is asked, not %d", step.doubt, got, step.want)
			}
		}
	})
}

// TestBrokerInTurn: brokers are asked one after the other, without those that
// are in doubt.
func TestBrokerInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := new(Cluster)
		if got := c.brokerInTurn(); got != chosen {
			t.Errorf("broker %d is asked, and none is known", got)
		}
		c.noteBrokers([]wire.Broker{{ID: 1}, {ID: 2}, {ID: 3}})
		c.NoteDoubt(2)
		asked := make(map[int32]int)
		for range 4 {
			asked[c.brokerInTurn()]++
		}
		if asked[1] != 2 || asked[3] != 2 {
			t.Errorf("asked: %v", asked)
		}
		time.Sleep(turnPause + 1)
		for range 3 {
			asked[c.brokerInTurn()]++
		}
		if asked[2] != 1 {
			t.Errorf("asked: %v", asked)
		}
	})
}

func TestDoubtfulErrors(t *testing.T) {
	for err, want := range map[error]bool{
		nil: false, io.EOF: true, wire.ErrUnanswered: true, errors.New("some"): false,
		kafkago.RequestTimedOut: true, kafkago.NotEnoughReplicas: true, kafkago.GroupCoordinatorNotAvailable: true,
		kafkago.NotLeaderForPartition: false, kafkago.ConcurrentTransactions: false, kafkago.TopicAuthorizationFailed: false,
	} {
		if got := IsDoubtful(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// TestLeadersOfBefore: a broker that names the leaders of before is not
// believed, but where it may be another topic of the same name.
func TestLeadersOfBefore(t *testing.T) {
	layout := func(id byte, leader, epoch int32) *wire.Topic {
		return &wire.Topic{Name: "t", ID: [16]byte{id}, Partitions: []wire.Partition{{Leader: leader, LeaderEpoch: epoch}}}
	}
	for _, tc := range []struct {
		id                byte
		leader, epoch     int32
		wantLeader, whose int32
	}{
		{7, 2, 6, 2, 6},
		{7, 1, 4, 1, 5}, // of before
		{7, -1, 5, -1, 5},
		{0, 2, 3, 2, 3}, // brokers without ids
	} {
		c := new(Cluster)
		topic := c.NewTopic("t")
		if err := errors.Join(topic.Note(layout(tc.id, 1, 5)), topic.Note(layout(tc.id, tc.leader, tc.epoch))); err != nil {
			t.Fatal(err)
		}
		if got := topic.Leader(0); got.Broker != tc.wantLeader || got.Epoch != tc.whose {
			t.Errorf("after %d with epoch %d: %+v", tc.leader, tc.epoch, got)
		}
	}
}

// TestPartitionsOfBefore: a broker that has not heard of partitions which were
// added takes none of them away.
func TestPartitionsOfBefore(t *testing.T) {
	layout := func(id byte, partitions int) *wire.Topic {
		found := &wire.Topic{Name: "t", ID: [16]byte{id}}
		for i := range partitions {
			found.Partitions = append(found.Partitions, wire.Partition{Partition: int32(i), Leader: 1, LeaderEpoch: 5})
		}
		return found
	}
	for _, tc := range []struct {
		id         byte
		named      int
		want       int32
		wantLeader int32 // of partition 2
	}{
		{7, 2, 3, 1},
		{7, 0, 3, 1},
		{7, 4, 4, 1},
		{0, 2, 2, -1}, // it may be another topic by now
	} {
		topic := new(Cluster).NewTopic("t")
		if err := errors.Join(topic.Note(layout(tc.id, 3)), topic.Note(layout(tc.id, tc.named))); err != nil {
			t.Fatal(err)
		}
		if n, leader := topic.PartitionCount(), topic.Leader(2).Broker; n != tc.want || leader != tc.wantLeader {
			t.Errorf("id %d: after %d of 3 partitions were named: %d, the last one led by %d", tc.id, tc.named, n, leader)
		}
	}
}
