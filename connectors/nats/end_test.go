package nats

import (
	"encoding/json"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// answerAbout has the server say info about every consumer that c asks for. All
// other requests go to the server.
func (b *broker) answerAbout(c *Conn, info *jetstream.ConsumerInfo) {
	b.t.Helper()
	text, err := json.Marshal(info)
	if err != nil {
		b.t.Fatal(err)
	}
	const api = "TEST.API"
	nc := b.plain().Conn()
	sub, err := nc.Subscribe(api+".>", func(msg *natsgo.Msg) {
		request := strings.TrimPrefix(msg.Subject, api)
		if strings.HasPrefix(request, ".CONSUMER.INFO.") {
			_ = msg.Respond(text)
			return
		}
		_ = nc.PublishRequest("$JS.API"+request, msg.Reply, msg.Data)
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = sub.Unsubscribe() })
	if err := nc.Flush(); err != nil {
		b.t.Fatal(err)
	}
	if c.js, err = jetstream.NewWithAPIPrefix(c.nc, api); err != nil {
		b.t.Fatal(err)
	}
}

// TestIsAtEnd plays what a consumer of 10 messages says of itself. Around a
// reset the server may name the last delivery of before it.
func TestIsAtEnd(t *testing.T) {
	t.Parallel()
	for name, is := range map[string]struct {
		shared                               bool
		delivered, floor, ackPending, behind uint64
		own, arrived                         uint64
		ended                                bool
	}{
		"nothing delivered":                       {behind: 10},
		"nothing delivered, not counted":          {},
		"reset, nothing here":                     {delivered: 10, behind: 10},
		"reset, not counted":                      {delivered: 10},
		"reset, some here":                        {delivered: 10, behind: 7, ackPending: 3, own: 3, arrived: 3},
		"reset, some done":                        {delivered: 10, behind: 7, floor: 3, arrived: 3},
		"reset, the others on their way":          {delivered: 10, ackPending: 10, own: 3, arrived: 3},
		"all here":                                {delivered: 10, ackPending: 10, own: 10, arrived: 10, ended: true},
		"all here, and more behind":               {delivered: 10, behind: 5, ackPending: 10, own: 10, arrived: 10, ended: true},
		"all here, some done":                     {delivered: 10, floor: 8, ackPending: 2, own: 2, arrived: 10, ended: true},
		"all done":                                {delivered: 10, floor: 10, arrived: 10, ended: true},
		"all done, before this lane":              {delivered: 10, floor: 10, ended: true},
		"all done, and more behind":               {delivered: 10, floor: 10, behind: 5, ended: true},
		"acknowledgement on its way":              {delivered: 10, floor: 9, ackPending: 1, arrived: 10},
		"shared: nothing delivered":               {shared: true, behind: 10},
		"shared: reset, nothing here":             {shared: true, delivered: 10, behind: 10},
		"shared: some with another":               {shared: true, delivered: 10, ackPending: 10, own: 4, arrived: 10},
		"shared: all with another":                {shared: true, delivered: 10, ackPending: 10},
		"shared: the highest with another":        {shared: true, delivered: 10, ackPending: 4, own: 4, arrived: 7, ended: true},
		"shared: all done by others":              {shared: true, delivered: 10, floor: 10, ended: true},
		"shared: ours are done, more with others": {shared: true, delivered: 20, floor: 10, ackPending: 3, ended: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := startBroker(t, nil)
			b.stream("ORDERS", nil)
			b.fill("ORDERS", 10, 0)
			c := b.connect()
			b.answerAbout(c, &jetstream.ConsumerInfo{
				Stream: "ORDERS", Name: "enc",
				Delivered: jetstream.SequenceInfo{Stream: is.delivered}, AckFloor: jetstream.SequenceInfo{Stream: is.floor},
				NumAckPending: int(is.ackPending), NumPending: is.behind,
			})
			l := &lane{
				source: &Source{
					SourceOptions: SourceOptions{Stream: "ORDERS", UntilEnd: true, Shared: is.shared, Log: quiet},
					conn:          c, config: jetstream.ConsumerConfig{Name: "enc"}, last: 10,
				},
				held: make(map[uint64]*delivery), delivered: is.arrived,
			}
			for n := range is.own {
				l.held[is.arrived-n] = &delivery{}
			}
			if got := l.isAtEnd(t.Context()); got != is.ended {
				t.Errorf("at its end: %v", got)
			}
		})
	}
}

// TestStreamDoesNotTell: the consumer's own word is not enough before the stream
// has failed to tell its content several times in a row.
func TestStreamDoesNotTell(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	l := &lane{source: &Source{SourceOptions: SourceOptions{Stream: "GONE", Log: quiet}, conn: b.connect(), last: 10}}
	for i := 1; i <= unconfirmed; i++ {
		if got := l.nothingBehind(t.Context(), 10); got != (i == unconfirmed) {
			t.Errorf("asked %d times: nothing behind is %v", i, got)
		}
	}
	b.stream("GONE", nil)
	if !l.nothingBehind(t.Context(), 10) || l.unanswered != 0 {
		t.Errorf("an answer leaves %d in a row without one", l.unanswered)
	}
}

// TestEndAsksForNoMessage: a bounded run that waits for messages which the
// consumer still has does not ask the stream for one, which may be large.
func TestEndAsksForNoMessage(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 200, 100<<10)
	s := b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", UntilEnd: true})
	requests, err := b.plain().Conn().SubscribeSync("$JS.API.STREAM.MSG.GET.ORDERS")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.plain().Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	v := serve(t, s)
	if got := v.rest(); len(got) != 200 {
		t.Fatalf("%d messages", len(got))
	}
	v.commit(200)
	v.leave(nil)
	if err := b.plain().Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := requests.Pending(); err != nil || n > 0 {
		t.Errorf("asked for %d stored messages: %v", n, err)
	}
}
