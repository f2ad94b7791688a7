package wire

import (
	"errors"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/findcoordinator"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestRoundTripTo: kafka-go's own requests reach the broker that is named, and
// no other.
func TestRoundTripTo(t *testing.T) {
	k := cluster(t)
	c := connect(t, k, nil)
	reached := make(chan int32, 1)
	k.ControlKey(int16(kmsg.FindCoordinator), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		reached <- k.CurrentNode()
		return nil, nil, false
	})
	for _, id := range []int32{0, 1, 0, 1} {
		m, err := c.RoundTripTo(t.Context(), id, &findcoordinator.Request{Key: "g"})
		if err != nil {
			t.Fatal(err)
		}
		if got := <-reached; got != id {
			t.Errorf("broker %d got what was for %d", got, id)
		}
		if res := m.(*findcoordinator.Response); res.ErrorCode != 0 || res.Host == "" {
			t.Errorf("%+v", res)
		}
	}
	for id, want := range map[int32]error{99: kafka.BrokerNotAvailable, -1: kafka.LeaderNotAvailable} {
		if _, err := c.RoundTripTo(t.Context(), id, &findcoordinator.Request{Key: "g"}); !errors.Is(err, want) || !Retriable(err) {
			t.Errorf("broker %d: %v", id, err)
		}
	}
}
