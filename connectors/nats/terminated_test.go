package nats

import (
	"encoding/json"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestTerminated: the server is told of each message that went to the dead
// letters, and why. It tells operators, and delivers none of them again.
func TestTerminated(t *testing.T) {
	t.Parallel()
	for name, shared := range map[string]bool{"owned": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, nil)
			b.stream("ORDERS", nil)
			b.fill("ORDERS", 5, 0)
			advisories := make(chan *natsgo.Msg, 5)
			nc := b.plain().Conn()
			if _, err := nc.ChanSubscribe("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.ORDERS.enc", advisories); err != nil {
				t.Fatal(err)
			}
			if err := nc.Flush(); err != nil {
				t.Fatal(err)
			}
			v := serve(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", Shared: shared}))
			v.read(5)
			err := v.lane.Commit(t.Context(), &pipeline.Progress{
				Messages: 5, SetAside: []pipeline.SetAside{{Index: 1, Reason: "tampered"}, {Index: 4, Reason: "header"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "acknowledged", func() bool {
				info := b.consumer("ORDERS", "enc")
				return info.NumAckPending == 0 && info.AckFloor.Stream == 5
			})
			for _, want := range []struct {
				Sequence uint64 `json:"stream_seq"`
				Reason   string `json:"reason"`
			}{{2, "tampered"}, {5, "header"}} {
				got := want
				if err := json.Unmarshal((<-advisories).Data, &got); err != nil || got != want {
					t.Errorf("got %+v, want %+v: %v", got, want, err)
				}
			}
			v.leave(nil)
		})
	}
}
