package nats

import (
	"fmt"
	"testing"
	"time"
)

// TestRepliesCountOnce: a message that comes twice while others are fetched
// counts once. Another one that is still missing would pass for one that came.
func TestRepliesCountOnce(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 3, 0)
	s := b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", AckWait: time.Hour})
	replies := make(map[uint64]string)
	reject := func(reply string) {
		t.Helper()
		if _, err := s.conn.nc.Request(reply, wordNak, endTimeout); err != nil {
			t.Fatal(err)
		}
	}
	for _, msg := range b.fetch("ORDERS", "enc", 3) {
		reject(msg.Reply())
	}
	b.fill("ORDERS", 1, 0)
	eventually(t, "a new message waits", func() bool { return b.consumer("ORDERS", "enc").NumPending == 1 })
	inbox := s.conn.nc.NewInbox() + "."
	sub, err := s.conn.nc.SubscribeSync(inbox + "*")
	if err != nil {
		t.Fatal(err)
	}
	// Messages 1 and 2 come, then 3 and again 1, then 2, and then the new one.
	for n, is := range []struct {
		batch, again int
		isDone       bool
	}{{2, 2, false}, {2, 1, false}, {1, 0, false}, {1, 0, true}} {
		request := fmt.Sprint(inbox, n)
		if err := s.requestNow(request, is.batch); err != nil {
			t.Fatal(err)
		}
		again, isDone, err := receiveReplies(t.Context(), sub, request, is.batch, replies)
		if again != is.again || isDone != is.isDone || err != nil {
			t.Errorf("request %d: %d came again, done %v, %v", n, again, isDone, err)
		}
		if n == 0 {
			reject(replies[1])
			reject(replies[2])
		}
	}
	if len(replies) != 4 {
		t.Errorf("%d messages noted", len(replies))
	}
}
