package nats

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

func fastStream(cfg *jetstream.StreamConfig) { cfg.AllowBatchPublish = true }

// newsLane is a lane whose messages from an offset on are new.
type newsLane struct {
	pipeline.Lane
	from int64
}

func (l newsLane) IsFirstDelivery(m *pipeline.Message) bool { return m.Origin.Offset >= l.from }

// fastWriter opens a writer of a lane whose messages from an offset on are new.
func (b *broker) fastWriter(s *Sink, from int64) *writer {
	b.t.Helper()
	w, err := s.Open(b.t.Context(), newsLane{from: from})
	if err != nil {
		b.t.Fatal(err)
	}
	return w.(*writer)
}

func TestFast(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", fastStream)
	s := b.sink(b.connect(), SinkOptions{Stream: "ENC", Publish: PublishFast, InFlight: 100})
	w := b.fastWriter(s, 0)
	msgs := numberedMessages("enc", 250, 0)
	for _, some := range [][]pipeline.Message{msgs[:230], msgs[230:233], msgs[233:]} {
		if err := w.Write(t.Context(), some, nil); err != nil {
			t.Fatal(err)
		}
		if w.perMessage {
			t.Fatal("a batch has failed")
		}
	}
	b.wantNumbered("ENC", 250, 0)
	for i, sequence := range w.stored {
		if sequence != uint64(234+i) {
			t.Fatalf("message %d of the last write is at %d", i, sequence)
		}
	}
	if f := s.inFlight; f.bytes != 0 || f.count != 0 {
		t.Errorf("%d messages and %d bytes in flight at the end", f.count, f.bytes)
	}
}

// TestFastWithDuplicates: the server drops duplicates from a fast batch and
// counts them. What it dropped is found out, whether the stream holds it or not.
func TestFastWithDuplicates(t *testing.T) {
	t.Parallel()
	for name, is := range map[string]struct{ from, to int }{
		"the first": {0, 1}, "the last": {159, 160}, "in between": {40, 120}, "all": {0, 160}, "none": {},
	} {
		for _, purged := range []bool{false, true} {
			b := startBroker(t, nil)
			b.stream("ENC", fastStream)
			o := SinkOptions{Stream: "ENC", Publish: PublishFast, IDs: IDOptions{Secret: [32]byte{1}}}
			c := b.connect()
			msgs := numberedMessages("enc", 160, 0)
			if err := b.writer(b.sink(c, o)).Write(t.Context(), msgs[is.from:is.to], nil); err != nil {
				t.Fatal(err)
			}
			if purged {
				b.purge("ENC")
			}
			w := b.fastWriter(b.sink(c, o), 0)
			if err := w.Write(t.Context(), msgs, nil); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range b.stored("ENC") {
				got = append(got, string(m.Data))
			}
			slices.Sort(got)
			if !slices.Equal(got, want(160, 0)) {
				t.Errorf("%s, purged %v: %d messages", name, purged, len(got))
			}
			// A message that the stream holds in front of the others is in its
			// place.
			if inPlace := is.to == 0 || is.to == 1 && !purged; w.perMessage == inPlace {
				t.Errorf("%s, purged %v: one by one: %v", name, purged, w.perMessage)
			}
		}
	}
}

// TestFastWithoutLook: without the right to look at the ends of a batch, its
// answer alone is not enough, and there is no second one.
func TestFastWithoutLook(t *testing.T) {
	t.Parallel()
	b, c := startGuarded(t, []string{"$JS.API.STREAM.INFO.SEALED", "sealed.>"})
	b.update("SEALED", fastStream)
	s := b.sink(c, SinkOptions{Stream: "SEALED", Publish: PublishFast})
	w := b.fastWriter(s, 0)
	msgs := numberedMessages("sealed.a", 160, 0)
	if err := w.Write(t.Context(), msgs[:80], nil); err != nil {
		t.Fatal(err)
	}
	if already, again := notedDuplicates(s); !w.perMessage || already != 80 || again != 0 {
		t.Errorf("one by one: %v; %d stored already, %d again", w.perMessage, already, again)
	}
	if err := w.Write(t.Context(), msgs[80:], nil); err != nil {
		t.Fatal(err)
	}
	if w.perMessage {
		t.Error("another fast batch was tried")
	}
	b.wantNumbered("SEALED", 160, 0)
}

// TestFastTakesNewOnly: what was delivered before is published one by one, and
// nothing else.
func TestFastTakesNewOnly(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", fastStream)
	c := b.connect()
	msgs := numberedMessages("enc", 160, 0)
	todo := make([]int, len(msgs))
	for i := range todo {
		todo[i] = i
	}
	fast := b.sink(c, SinkOptions{Stream: "ENC", Publish: PublishFast})
	for name, is := range map[string]struct {
		w    *writer
		want int
	}{
		"new":            {b.fastWriter(fast, 0), 160},
		"old":            {b.fastWriter(fast, 400), 0},
		"the first old":  {b.fastWriter(fast, 1), 0},
		"not asked for":  {b.fastWriter(b.sink(c, SinkOptions{Stream: "ENC"}), 0), 0},
		"no news":        {b.writer(fast).(*writer), 0},
		"dead letters":   {b.fastWriter(b.sink(c, SinkOptions{Stream: "ENC", Publish: PublishFast, IDs: IDOptions{DeadLetters: true}}), 0), 0},
		"little room":    {b.fastWriter(b.sink(c, SinkOptions{Stream: "ENC", Publish: PublishFast, InFlight: 80}), 0), 80},
		"too few at all": {b.fastWriter(b.sink(c, SinkOptions{Stream: "ENC", Publish: PublishFast, InFlight: 40}), 0), 0},
	} {
		if got := len(is.w.cutFast(msgs, todo)); got != is.want {
			t.Errorf("%s: %d messages", name, got)
		}
	}
	if err := b.fastWriter(fast, 80).Write(t.Context(), msgs, nil); err != nil {
		t.Fatal(err)
	}
	b.wantNumbered("ENC", 160, 0)
}

// TestFirstDelivery: a lane knows what was delivered before it began, to itself
// or to others, although a reset makes the server count from one again.
func TestFirstDelivery(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 10, 0)
	c := b.connect()
	o := SourceOptions{Stream: "ORDERS", Consumer: "enc"}
	first := func(want int64) {
		t.Helper()
		v := serve(t, b.source(c, o))
		v.read(10)
		for offset := int64(1); offset <= 11; offset++ {
			m := pipeline.Message{Origin: pipeline.Origin{Place: "ORDERS", Offset: offset}}
			if got := v.lane.(deliveryTeller).IsFirstDelivery(&m); got != (offset >= want) {
				t.Errorf("message %d: %v", offset, got)
			}
		}
		v.leave(nil)
	}
	first(1)
	first(11)
	s := b.source(c, o)
	for range 2 { // the second lane of a process
		if err := s.prepareConsumer(t.Context()); err != nil || s.firstNew != 10 {
			t.Errorf("new behind %d, %v", s.firstNew, err)
		}
	}
}

// TestFastRefused: a stream that takes no fast batches any more is named once.
func TestFastRefused(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", fastStream)
	var log lockedBuffer
	s, err := NewSink(t.Context(), b.connect(), SinkOptions{
		Stream: "ENC", Publish: PublishFast, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.update("ENC", func(cfg *jetstream.StreamConfig) { cfg.AllowBatchPublish = false })
	w := b.fastWriter(s, 0)
	for some := range slices.Chunk(numberedMessages("enc", 240, 0), 80) {
		if err := w.Write(t.Context(), some, nil); err != nil {
			t.Fatal(err)
		}
	}
	b.wantNumbered("ENC", 240, 0)
	if n := log.count("no fast batches any more"); n != 1 {
		t.Errorf("said %d times:\n%s", n, log.String())
	}
}

// TestFastLostAnswer: all messages are stored, and the connection is lost before
// the answer has come.
func TestFastLostAnswer(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", fastStream)
	c := b.connect()
	s := b.sink(c, SinkOptions{Stream: "ENC", Publish: PublishFast})
	w := b.fastWriter(s, 0)
	if err := w.answers.sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- w.Write(t.Context(), numberedMessages("enc", 120, 0), nil) }()
	eventually(t, "stored", func() bool { return b.count("ENC") == 120 })
	if err := c.nc.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.nc.Subscribe(w.answers.prefix+">", w.answers.noteAnswer); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.wantNumbered("ENC", 120, 0)
	if already, again := notedDuplicates(s); already != 120 || again != 0 {
		t.Errorf("%d stored already, %d again", already, again)
	}
}
