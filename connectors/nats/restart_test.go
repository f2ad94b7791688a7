package nats

import (
	"context"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestServerRestart stops the server in the middle of a run and starts it
// again. Nothing is lost, and nothing is stored twice within the duplicates
// window.
func TestServerRestart(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.stream("ENC", nil)
	const messages = 2000
	b.fill("ORDERS", messages/2, 200)

	c := b.connect()
	to, err := ParseSubjectMap("enc.>", "")
	if err != nil {
		t.Fatal(err)
	}
	source := b.source(c, SourceOptions{Stream: "ORDERS", Consumer: "enc", AckWait: time.Second, ReadAhead: 16 << 10})
	sink := b.sink(c, SinkOptions{Stream: "ENC", Subjects: to, InFlight: 50})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- pipeline.Run(ctx, pipeline.Options{
			Source: source, Sink: sink, Workers: 2, Log: quiet,
			NewTransform: func() pipeline.Transform { return copier{to} },
		})
	}()
	eventually(t, "some are written", func() bool { return b.count("ENC") > 100 })
	b.restart()
	eventually(t, "the server answers", func() bool {
		_, err := b.plain().Stream(t.Context(), "ORDERS")
		return err == nil
	})
	var more []*natsgo.Msg
	for i := messages / 2; i < messages; i++ {
		more = append(more, numberedMsg("ORDERS", i, 200))
	}
	b.publishAll(more)
	eventually(t, "all are written", func() bool { return b.count("ENC") >= messages })
	eventually(t, "all are acknowledged", func() bool {
		info := b.consumer("ORDERS", "enc")
		return info.NumPending == 0 && info.NumAckPending == 0
	})
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range b.stored("ENC") {
		got = append(got, string(m.Data))
	}
	same(t, got, want(messages, 200))
}

func (b *broker) count(stream string) uint64 {
	b.t.Helper()
	s, err := b.plain().Stream(b.t.Context(), stream)
	if err != nil {
		b.t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

// TestAcknowledgedAfterReconnect: a commit while the server is away reaches it
// later.
func TestAcknowledgedAfterReconnect(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 5, 0)
	c := b.connect()
	v := serve(t, b.source(c, SourceOptions{Stream: "ORDERS", Consumer: "enc", Shared: true, AckWait: time.Hour}))
	v.read(5)
	l := v.lane.(*lane)
	before := l.current()
	b.stop()
	eventually(t, "disconnected", func() bool { return !c.nc.IsConnected() })
	v.commit(5)
	b.start()
	eventually(t, "acknowledged", func() bool {
		consumer, err := b.plain().Consumer(t.Context(), "ORDERS", "enc")
		return err == nil && consumer.CachedInfo().AckFloor.Stream == 5
	})
	eventually(t, "asked anew", func() bool { return l.current() != before })
	b.fill("ORDERS", 1, 0)
	if got, _ := v.read(1); got[0] != want(1, 0)[0] {
		t.Fatalf("then came %q", got)
	}
	v.leave(nil)
}

// TestStreamGone: a stream that is deleted under a running lane is an error,
// not a wait for ever.
func TestStreamGone(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	v := serve(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc"}))
	eventually(t, "the lane waits", func() bool { return b.consumer("ORDERS", "enc").NumWaiting > 0 })
	if err := b.plain().DeleteStream(t.Context(), "ORDERS"); err != nil {
		t.Fatal(err)
	}
	if _, err := v.lane.Read(t.Context(), readLimit); err == nil {
		t.Fatal("read on")
	}
	v.leave(nil)
}

// TestReadAheadIsGivenBack: what a lane had not handed out is delivered to the
// next one at once.
func TestReadAheadIsGivenBack(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	const messages = 2000
	b.fill("ORDERS", messages, 1000)
	v := serve(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", AckWait: time.Hour, ReadAhead: 64 << 10}))
	eventually(t, "much is on the way", func() bool { return b.consumer("ORDERS", "enc").NumAckPending > 100 })
	v.leave(nil)
	other, err := b.plain().Consumer(t.Context(), "ORDERS", "enc")
	if err != nil {
		t.Fatal(err)
	}
	got := map[uint64]bool{}
	batch, err := other.Fetch(messages, jetstream.FetchMaxWait(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for msg := range batch.Messages() {
		meta, err := msg.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		got[meta.Sequence.Stream] = true
	}
	if len(got) != messages {
		t.Fatalf("%d of %d messages came", len(got), messages)
	}
}
