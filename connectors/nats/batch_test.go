package nats

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

func atomicStream(cfg *jetstream.StreamConfig) { cfg.AllowAtomicPublish = true }

// wantNumbered checks that a stream holds n numbered messages, in order.
func (b *broker) wantNumbered(stream string, n, size int) []*jetstream.RawStreamMsg {
	b.t.Helper()
	stored := b.stored(stream)
	if len(stored) != n {
		b.t.Fatalf("%d messages stored, want %d", len(stored), n)
	}
	for i, m := range stored {
		if !bytes.Equal(m.Data, numbered(i, size)) {
			b.t.Fatalf("message %d is %.20q", i, m.Data)
		}
	}
	return stored
}

// countBatches counts the atomic batches among stored messages.
func countBatches(stored []*jetstream.RawStreamMsg) int {
	ids := map[string]bool{}
	for _, m := range stored {
		if id := m.Header.Get(batchIDHeader); id != "" {
			ids[id] = true
		}
	}
	return len(ids)
}

func TestBatches(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", atomicStream)
	s := b.sink(b.connect(), SinkOptions{Stream: "ENC", Publish: PublishBatch})
	w := b.writer(s)
	s.batchSize.Store(100)
	msgs := numberedMessages("enc", 250, 0)
	for _, some := range [][]pipeline.Message{msgs[:230], msgs[230:231], msgs[231:]} {
		if err := w.Write(t.Context(), some, nil); err != nil {
			t.Fatal(err)
		}
	}
	stored := b.wantNumbered("ENC", 250, 0)
	if n := countBatches(stored); n != 5 { // 100, 100, 30; one; 19
		t.Errorf("%d batches", n)
	}
	for i, sequence := range w.(*writer).stored {
		if sequence != uint64(232+i) {
			t.Fatalf("message %d of the last write is at %d", i, sequence)
		}
	}
	if f := s.inFlight; f.bytes != 0 || f.count != 0 {
		t.Errorf("%d messages and %d bytes in flight at the end", f.count, f.bytes)
	}
	if n := len(w.(*writer).answers.slots); n != 0 {
		t.Errorf("%d answers are still expected", n)
	}
}

// TestBatchBounds: a batch takes no more room than there is, and all of it if
// it has to.
func TestBatchBounds(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", atomicStream)
	s := b.sink(b.connect(), SinkOptions{Stream: "ENC", Publish: PublishBatch, InFlight: 7, InFlightBytes: 5000})
	if err := b.writer(s).Write(t.Context(), numberedMessages("enc", 40, 300), nil); err != nil {
		t.Fatal(err)
	}
	if n := countBatches(b.wantNumbered("ENC", 40, 300)); n != 6 {
		t.Errorf("%d batches", n)
	}
}

// TestBatchWithDuplicates: a crash came before the acknowledgements of some.
func TestBatchWithDuplicates(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", atomicStream)
	o := SinkOptions{Stream: "ENC", Publish: PublishBatch, IDs: IDOptions{Secret: [32]byte{1}}}
	c := b.connect()
	msgs := numberedMessages("enc", 60, 0)
	if err := b.writer(b.sink(c, o)).Write(t.Context(), msgs[:20], nil); err != nil {
		t.Fatal(err)
	}
	s := b.sink(c, o)
	w := b.writer(s)
	if err := w.Write(t.Context(), msgs[:40], nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), msgs[40:], nil); err != nil { // in batches again
		t.Fatal(err)
	}
	stored := b.wantNumbered("ENC", 60, 0)
	if already, again := notedDuplicates(s); already != 20 || again != 0 {
		t.Errorf("%d stored already, %d again", already, again)
	}
	if n := countBatches(stored); n != 2 {
		t.Errorf("%d batches", n)
	}
}

// TestBatchPurged: the stream remembers the ids of a batch that it does not
// hold any more.
func TestBatchPurged(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", atomicStream)
	s := b.sink(b.connect(), SinkOptions{Stream: "ENC", Publish: PublishBatch})
	w := b.writer(s)
	msgs := numberedMessages("enc", 20, 0)
	if err := w.Write(t.Context(), msgs, nil); err != nil {
		t.Fatal(err)
	}
	b.purge("ENC")
	if err := w.Write(t.Context(), msgs, nil); err != nil {
		t.Fatal(err)
	}
	b.wantNumbered("ENC", 20, 0)
}

// TestBatchLostAnswer: the batch is committed, and the connection is lost
// before the answer has come.
func TestBatchLostAnswer(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", atomicStream)
	c := b.connect()
	s := b.sink(c, SinkOptions{Stream: "ENC", Publish: PublishBatch})
	w := b.writer(s).(*writer)
	hear := w.answers.turnDeaf(t)
	done := make(chan error, 1)
	go func() { done <- w.Write(t.Context(), numberedMessages("enc", 30, 0), nil) }()
	hear(2) // the first message, and the commit
	select {
	case err := <-done:
		t.Fatalf("done without an answer: %v", err)
	default:
	}
	if err := c.nc.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.wantNumbered("ENC", 30, 0)
	if already, again := notedDuplicates(s); already != 30 || again != 0 {
		t.Errorf("%d stored already, %d again", already, again)
	}
}

// turnDeaf has the answers dropped that come. hear waits until some have been,
// and lets later ones through.
func (a *answers) turnDeaf(t *testing.T) (hear func(dropped int32)) {
	t.Helper()
	if err := a.sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	var deaf atomic.Bool
	var dropped atomic.Int32
	deaf.Store(true)
	sub, err := a.conn.nc.Subscribe(a.prefix+"*", func(msg *natsgo.Msg) {
		if deaf.Load() {
			dropped.Add(1)
			return
		}
		a.noteAnswer(msg)
	})
	if err != nil {
		t.Fatal(err)
	}
	a.sub = sub
	return func(n int32) {
		t.Helper()
		eventually(t, "answered", func() bool { return dropped.Load() == n })
		deaf.Store(false)
	}
}

// TestBatchCut: the server refuses one message in the middle, and so the batch.
func TestBatchCut(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", atomicStream)
	s := b.sink(b.connect(), SinkOptions{Stream: "ENC", Publish: PublishBatch})
	b.update("ENC", func(cfg *jetstream.StreamConfig) { cfg.MaxMsgSize = 2000 })
	msgs := numberedMessages("enc", 20, 0)
	msgs[7].Value = numbered(7, 3000)
	msgs[7].Origin.Place = "other"
	var refused *pipeline.Refused
	err := b.writer(s).Write(t.Context(), msgs, nil)
	if !errors.As(err, &refused) || len(refused.Messages) != 1 || refused.Messages[0].Index != 7 || len(refused.Left) > 0 {
		t.Fatalf("got %v", err)
	}
	wantReject(t, err, pipeline.ReasonTooLarge)
	if n := b.count("ENC"); n != 19 {
		t.Fatalf("%d messages stored", n)
	}
}

// update changes a stream.
func (b *broker) update(stream string, change func(*jetstream.StreamConfig)) {
	b.t.Helper()
	s, err := b.plain().Stream(b.t.Context(), stream)
	if err != nil {
		b.t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	change(&cfg)
	if _, err := b.plain().UpdateStream(b.t.Context(), cfg); err != nil {
		b.t.Fatal(err)
	}
}

// TestNoBatches: a stream or a server that takes none, from the beginning or
// from some time on, is named once.
func TestNoBatches(t *testing.T) {
	t.Parallel()
	for name, is := range map[string]struct {
		noNewer bool
		before  func(*jetstream.StreamConfig)
		later   func(*jetstream.StreamConfig)
	}{
		"stream":        {before: func(*jetstream.StreamConfig) {}},
		"server":        {before: atomicStream, noNewer: true},
		"persist mode":  {before: func(cfg *jetstream.StreamConfig) { cfg.PersistMode = jetstream.AsyncPersistMode }},
		"later refused": {before: atomicStream, later: func(cfg *jetstream.StreamConfig) { cfg.AllowAtomicPublish = false }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, nil)
			b.stream("ENC", is.before)
			c := b.connect()
			c.noNewer = is.noNewer
			var log lockedBuffer
			s, err := NewSink(t.Context(), c, SinkOptions{
				Stream: "ENC", Publish: PublishBatch, Log: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			if is.later != nil {
				b.update("ENC", is.later)
			}
			w := b.writer(s)
			msgs := numberedMessages("enc", 40, 0)
			for some := range slices.Chunk(msgs, 10) {
				if err := w.Write(t.Context(), some, nil); err != nil {
					t.Fatal(err)
				}
			}
			if n := countBatches(b.wantNumbered("ENC", 40, 0)); n != 0 {
				t.Errorf("%d batches", n)
			}
			if n := log.count("published one by one"); n != 1 {
				t.Errorf("said %d times:\n%s", n, log.String())
			}
		})
	}
}

// TestSmallerBatches: the server takes smaller batches than others do.
func TestSmallerBatches(t *testing.T) {
	t.Parallel()
	b := startBroker(t, func(o *server.Options) { o.JetStreamLimits.MaxBatchSize = 30 })
	b.stream("ENC", atomicStream)
	s := b.sink(b.connect(), SinkOptions{Stream: "ENC", Publish: PublishBatch})
	if err := b.writer(s).Write(t.Context(), numberedMessages("enc", 200, 0), nil); err != nil {
		t.Fatal(err)
	}
	if n := countBatches(b.wantNumbered("ENC", 200, 0)); n != 8 { // of 25 after three halves
		t.Errorf("%d batches", n)
	}
}

// TestBatchRollups: the server refuses a rollup that is not the first message
// under its subject.
func TestBatchRollups(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", func(cfg *jetstream.StreamConfig) { cfg.AllowAtomicPublish, cfg.AllowRollup = true, true })
	s := b.sink(b.connect(), SinkOptions{Stream: "ENC", Publish: PublishBatch})
	var msgs []pipeline.Message
	for i := range 12 {
		m := message(int64(i), fmt.Sprint("enc.", i%2), numbered(i, 0))
		if i == 5 {
			m.Headers = []pipeline.Header{{Name: rollupEffect, Value: []byte(rollupSubject)}}
		}
		msgs = append(msgs, m)
	}
	w := b.writer(s)
	if err := w.Write(t.Context(), msgs, nil); err != nil {
		t.Fatal(err)
	}
	if n := b.count("ENC"); n != 10 { // 1 and 3 are purged
		t.Errorf("%d messages", n)
	}
	if w.(*writer).perMessage {
		t.Error("a batch was refused")
	}
}

// TestSubjectIsFull: discard_new_per_subject waits for nobody.
func TestSubjectIsFull(t *testing.T) {
	t.Parallel()
	for _, mode := range []PublishMode{PublishAsync, PublishBatch} {
		b := startBroker(t, nil)
		b.stream("ENC", func(cfg *jetstream.StreamConfig) {
			cfg.AllowAtomicPublish, cfg.MaxMsgsPerSubject = true, 2
			cfg.Discard, cfg.DiscardNewPerSubject = jetstream.DiscardNew, true
		})
		s := b.sink(b.connect(), SinkOptions{Stream: "ENC", Publish: mode})
		var msgs []pipeline.Message
		for i, subject := range []string{"enc.a", "enc.a", "enc.a", "enc.b"} {
			m := message(int64(i), subject, numbered(i, 0))
			m.Origin.Place = subject
			msgs = append(msgs, m)
		}
		err := b.writer(s).Write(t.Context(), msgs, nil)
		var refused *pipeline.Refused
		if !errors.As(err, &refused) || len(refused.Messages) != 1 || refused.Messages[0].Index != 2 {
			t.Fatalf("mode %d: got %v", mode, err)
		}
		wantReject(t, err, pipeline.ReasonRefused)
		if n := b.count("ENC"); n != 3 {
			t.Errorf("mode %d: %d messages", mode, n)
		}
	}
}
