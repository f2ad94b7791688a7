package nats

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// saysLost are the first words about a state that is gone.
const saysLost = "the state of the replay check is lost"

// TestFirstRun: the floor of a consumer that has read nothing may be above
// zero. Nothing is lost then.
func TestFirstRun(t *testing.T) {
	t.Parallel()
	for name, is := range map[string]struct {
		purged uint64 // messages before it
		o      SourceOptions
	}{
		"from the first message that is left": {purged: 6},
		"by a subject":                        {purged: 6, o: SourceOptions{Filters: []string{"orders.>"}}},
		"from a sequence":                     {o: SourceOptions{Start: Start{Sequence: 6}}},
		"from a time":                         {o: SourceOptions{Start: Start{Time: time.Now().Add(-time.Hour)}}, purged: 6},
		"new messages":                        {o: SourceOptions{Start: Start{New: true}}},
		"an empty stream":                     {purged: 11},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, nil)
			b.stream("ORDERS", nil)
			b.fill("ORDERS", 10, 0)
			stream, err := b.plain().Stream(t.Context(), "ORDERS")
			if err != nil {
				t.Fatal(err)
			}
			if is.purged > 0 {
				if err := stream.Purge(t.Context(), jetstream.WithPurgeSequence(is.purged)); err != nil {
					t.Fatal(err)
				}
			}
			var logs lockedBuffer
			o := is.o
			o.Stream, o.Consumer, o.AckWait, o.Sealed, o.HasGate = "ORDERS", "dec", time.Hour, true, true
			o.Log = slog.New(slog.NewTextHandler(&logs, nil))
			for run := range 2 { // the second one finds the consumer of the first
				serve(t, b.source(b.connect(), o)).leave(nil)
				if floor := b.consumer("ORDERS", "dec").AckFloor.Stream; floor == 0 {
					t.Fatal("the floor is zero, so the test shows nothing")
				}
				if strings.Contains(logs.String(), saysLost) {
					t.Fatalf("run %d: said to be lost, and nothing was read: %s", run+1, logs.String())
				}
			}
		})
	}
}

// TestLostAfterReset: the last owner had the consumer reset, so its deliveries
// are counted anew. A message that it has read and that is still there shows
// that it has read.
func TestLostAfterReset(t *testing.T) {
	t.Parallel()
	for name, is := range map[string]struct {
		filters []string
		first   int64 // the message that is read
	}{
		"all":          {nil, 1},
		"two subjects": {[]string{"orders.3", "orders.5"}, 4},
		"one subject":  {[]string{"orders.9"}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, nil)
			b.stream("ORDERS", nil)
			for i := range 20 { // sequence i+1 has subject orders.(i mod 10)
				b.publish(&natsgo.Msg{Subject: fmt.Sprint("orders.", i%10), Data: []byte("v")})
			}
			var logs lockedBuffer
			begin := func() *serving {
				return serve(t, b.source(b.connect(), SourceOptions{
					Stream: "ORDERS", Consumer: "dec", AckWait: time.Hour, Sealed: true, HasGate: true, Filters: is.filters,
					Log: slog.New(slog.NewTextHandler(&logs, nil)),
				}))
			}
			v := begin()
			v.read(2)
			if err := v.lane.Commit(t.Context(), &pipeline.Progress{Messages: 1, Places: []pipeline.Position{
				{Place: "ORDERS", Next: is.first + 1, Last: is.first, State: []byte("state of a gate")},
			}}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "acknowledged", func() bool { return b.consumer("ORDERS", "dec").AckFloor.Consumer == 1 })
			v.leave(nil)
			begin().leave(nil) // it resets
			if floor := b.consumer("ORDERS", "dec").AckFloor; floor.Consumer != 0 || floor.Stream == 0 {
				t.Fatalf("the consumer was not reset: %+v", floor)
			}
			if strings.Contains(logs.String(), saysLost) {
				t.Fatal("said to be lost, and it is there")
			}
			if err := b.plain().DeleteKeyValue(t.Context(), DefaultLeaseBucket); err != nil {
				t.Fatal(err)
			}
			begin().leave(nil)
			if !strings.Contains(logs.String(), saysLost) {
				t.Errorf("not said: %s", logs.String())
			}
		})
	}
}
