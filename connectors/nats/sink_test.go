package nats

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

func message(offset int64, subject string, value []byte) pipeline.Message {
	return pipeline.Message{
		Value: value, Subject: []byte(subject),
		Origin: pipeline.Origin{Place: "src", Offset: offset, Previous: -1},
	}
}

func numberedMessages(subject string, n, size int) (msgs []pipeline.Message) {
	for i := range n {
		msgs = append(msgs, message(int64(i), subject, numbered(i, size)))
	}
	return msgs
}

func (b *broker) writer(s *Sink) pipeline.Writer {
	b.t.Helper()
	w, err := s.Open(b.t.Context(), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

func TestWriteIsDurableAndInOrder(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", nil)
	// Room for a few messages only, so that writing has to wait for
	// acknowledgements.
	s := b.sink(b.connect(), SinkOptions{Stream: "ENC", InFlight: 7, InFlightBytes: 4096})
	w := b.writer(s)
	msgs := numberedMessages("enc", 300, 300)
	if err := w.Write(t.Context(), msgs[:100], nil); err != nil {
		t.Fatal(err)
	}
	if got := len(b.stored("ENC")); got != 100 {
		t.Fatalf("%d messages durable after a write without a position", got)
	}
	if err := w.Write(t.Context(), msgs[100:], new(pipeline.Progress)); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), nil, new(pipeline.Progress)); err != nil {
		t.Fatal(err)
	}
	for i, m := range b.stored("ENC") {
		if !bytes.Equal(m.Data, numbered(i, 300)) {
			t.Fatalf("message %d is %q", i, m.Data)
		}
	}
	if f := s.inFlight; f.bytes != 0 || f.count != 0 {
		t.Fatalf("%d messages and %d bytes in flight at the end", f.count, f.bytes)
	}
}

func TestDuplicatesWithinTheWindow(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", nil)
	c := b.connect()
	write := func(ids IDOptions, msgs []pipeline.Message) *Sink {
		t.Helper()
		s := b.sink(c, SinkOptions{Stream: "ENC", IDs: ids})
		if err := b.writer(s).Write(t.Context(), msgs, nil); err != nil {
			t.Fatal(err)
		}
		return s
	}
	ids := IDOptions{Secret: [32]byte{1}}
	msgs := numberedMessages("enc", 10, 0)
	write(ids, msgs[:6])
	s := write(ids, msgs) // as after a crash before the acknowledgements
	if n := len(b.stored("ENC")); n != 10 {
		t.Fatalf("%d messages stored, want 10", n)
	}
	if already, again := notedDuplicates(s); already != 6 || again != 0 {
		t.Fatalf("%d stored already, %d again", already, again)
	}
	// The same origin under another subject, with another key, or as a dead
	// letter, is another message.
	write(ids, numberedMessages("enc.dead", 1, 0))
	write(IDOptions{Secret: ids.Secret, Keys: [8]byte{1}}, msgs[:1])
	write(IDOptions{Secret: ids.Secret, DeadLetters: true}, msgs[:1])
	if n := len(b.stored("ENC")); n != 13 {
		t.Fatalf("%d messages stored, want 13", n)
	}
}

// TestDuplicateThatIsNotStored: the stream remembers ids of messages that it
// does not hold any more.
func TestDuplicateThatIsNotStored(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", nil)
	s := b.sink(b.connect(), SinkOptions{Stream: "ENC"})
	w := b.writer(s)
	msgs := numberedMessages("enc", 40, 0)
	write := func(want int) {
		t.Helper()
		if err := w.Write(t.Context(), msgs, nil); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range b.stored("ENC") {
			got = append(got, string(m.Data))
		}
		same(t, got, numberedFrom(40, want))
	}
	write(40)
	for range 2 { // the second time two ids of each message are used up
		b.purge("ENC")
		write(40)
	}
	write(40)
	if already, again := notedDuplicates(s); already != 40 || again < 80 {
		t.Fatalf("%d stored already, %d again", already, again)
	}
}

// TestDuplicateThatWasConsumed: a stream that deletes what its readers have
// acknowledged has stored it all the same.
func TestDuplicateThatWasConsumed(t *testing.T) {
	t.Parallel()
	for _, retention := range []jetstream.RetentionPolicy{jetstream.WorkQueuePolicy, jetstream.InterestPolicy} {
		t.Run(retention.String(), func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, nil)
			b.stream("ENC", func(cfg *jetstream.StreamConfig) { cfg.Retention = retention })
			if _, err := b.plain().CreateConsumer(t.Context(), "ENC", jetstream.ConsumerConfig{
				Durable: "reader", AckPolicy: jetstream.AckExplicitPolicy,
			}); err != nil {
				t.Fatal(err)
			}
			s := b.sink(b.connect(), SinkOptions{Stream: "ENC"})
			w := b.writer(s)
			msgs := numberedMessages("enc", 5, 0)
			if err := w.Write(t.Context(), msgs, nil); err != nil {
				t.Fatal(err)
			}
			for _, msg := range b.fetch("ENC", "reader", 5) {
				if err := msg.DoubleAck(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "consumed", func() bool { return b.count("ENC") == 0 })
			if err := w.Write(t.Context(), msgs, nil); err != nil {
				t.Fatal(err)
			}
			if already, again := notedDuplicates(s); b.count("ENC") != 0 || already != 5 || again != 0 {
				t.Fatalf("%d messages stored twice; %d stored already, %d again", b.count("ENC"), already, again)
			}
		})
	}
}

// TestOvertaken: a writer was killed when the stream had stored a new value,
// and not the old one before it. In the end the new one is the last.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", func(cfg *jetstream.StreamConfig) { cfg.MaxMsgsPerSubject = 64 })
	c := b.connect()
	o := SinkOptions{Stream: "ENC", IDs: IDOptions{Secret: [32]byte{5}}}
	var msgs []pipeline.Message
	for i := range 6 {
		msgs = append(msgs, message(int64(i), "enc.k", fmt.Append(nil, i)))
	}
	write := func(w pipeline.Writer, msgs ...pipeline.Message) {
		t.Helper()
		if err := w.Write(t.Context(), msgs, nil); err != nil {
			t.Fatal(err)
		}
	}
	write(b.writer(b.sink(c, o)), msgs[1], msgs[2], msgs[4])
	next := b.writer(b.sink(c, o))
	write(next, msgs[:3]...)
	write(next, msgs[3:5]...)
	last := func(value string) {
		t.Helper()
		stored := b.stored("ENC")
		if got := string(stored[len(stored)-1].Data); got != value {
			t.Fatalf("the last value is %s, not %s", got, value)
		}
	}
	last("4")
	write(next, msgs[5])
	last("5")
}

// TestRollupBehind: a rollup had to be published again, and then purged the
// message behind it, which was stored already.
func TestRollupBehind(t *testing.T) {
	t.Parallel()
	for _, is := range []struct{ rollup, subject string }{{rollupSubject, "enc.k"}, {rollupAll, "enc.other"}} {
		t.Run(is.rollup, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, nil)
			b.stream("ENC", func(cfg *jetstream.StreamConfig) {
				cfg.AllowRollup, cfg.Discard, cfg.MaxBytes = true, jetstream.DiscardNew, 8192
			})
			b.publish(&natsgo.Msg{Subject: "enc.filler", Data: numbered(0, 5000)})
			w := b.writer(b.sink(b.connect(), SinkOptions{Stream: "ENC"}))
			rollup, behind := message(0, "enc.k", numbered(1, 4000)), message(1, is.subject, numbered(2, 0))
			rollup.Headers = []pipeline.Header{{Name: rollupEffect, Value: []byte(is.rollup)}}
			ended := make(chan error, 1)
			go func() { ended <- w.Write(t.Context(), []pipeline.Message{rollup, behind}, nil) }()
			eventually(t, "the second is stored", func() bool { return b.count("ENC") == 2 })
			stream, err := b.plain().Stream(t.Context(), "ENC")
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject("enc.filler")); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			stored := map[string]bool{}
			for seq := uint64(1); seq < 10; seq++ {
				if m, err := stream.GetMsg(t.Context(), seq); err == nil {
					stored[string(m.Data)] = true
				}
			}
			if len(stored) != 2 || !stored[string(behind.Value)] {
				t.Fatalf("%d messages are stored", len(stored))
			}
		})
	}
}

func numberedFrom(n, count int) []string { return want(n, 0)[n-count:] }

// TestDuplicateOfAStranger: a message under one of our ids that is not ours.
func TestDuplicateOfAStranger(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", nil)
	ids := IDOptions{Secret: [32]byte{7}}
	m := message(5, "enc", []byte("genuine"))
	junk := &natsgo.Msg{Subject: "enc", Data: []byte("junk"), Header: natsgo.Header{
		"Nats-Msg-Id": {newIDMaker(ids, "ENC").makeID(m.Origin, "enc", 0)},
	}}
	b.publish(junk)
	s := b.sink(b.connect(), SinkOptions{Stream: "ENC", IDs: ids, IsOurs: func(stored, written *pipeline.Message) bool {
		return written.Origin.Offset == 5 && string(stored.Value) == "genuine"
	}})
	for range 2 {
		if err := b.writer(s).Write(t.Context(), []pipeline.Message{m}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.stored("ENC"); len(got) != 2 || string(got[1].Data) != "genuine" {
		t.Fatalf("%d messages", len(got))
	}
}

// TestDuplicateTombstone: the envelope of a tombstone is in a header, and its
// value is null.
func TestDuplicateTombstone(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", nil)
	m := message(5, "enc", nil)
	m.Headers = []pipeline.Header{{Name: envelopeHeader, Value: []byte("an envelope")}}
	s := b.sink(b.connect(), SinkOptions{Stream: "ENC", IsOurs: func(stored, written *pipeline.Message) bool {
		return stored.Value == nil && slices.ContainsFunc(stored.Headers, func(h pipeline.Header) bool {
			return h.Name == envelopeHeader && string(h.Value) == "an envelope"
		})
	}})
	w := b.writer(s)
	for range 2 {
		if err := w.Write(t.Context(), []pipeline.Message{m}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if already, again := notedDuplicates(s); already != 1 || again != 0 {
		t.Fatalf("%d stored already, %d again", already, again)
	}
}

// TestMessageID: one of the ids was made with Python's hmac.
func TestMessageID(t *testing.T) {
	t.Parallel()
	secret := [32]byte{1, 2, 3}
	place := func(string) ([5]byte, uint32) { return [5]byte{0xaa, 1, 2, 3, 4}, 300 }
	o := pipeline.Origin{Place: "src", Offset: 70000, Term: 1 << 36}
	ids := map[string]string{}
	add := func(what string, ids2 IDOptions, stream string, o pipeline.Origin, subject string, try uint32) {
		t.Helper()
		id := newIDMaker(ids2, stream).makeID(o, subject, try)
		if len(id) != idSize {
			t.Errorf("%s: id %q", what, id)
		}
		if of, ok := ids[id]; ok {
			t.Errorf("%s and %s have the same id", what, of)
		}
		ids[id] = what
	}
	base := IDOptions{Secret: secret, Place: place, Keys: [8]byte{9}}
	add("base", base, "ENC", o, "enc.a", 0)
	add("first try", base, "ENC", o, "enc.a", 1)
	add("second try", base, "ENC", o, "enc.a", 2)
	add("subject", base, "ENC", o, "enc.b", 0)
	add("stream", base, "ENC2", o, "enc.a", 0)
	for what, change := range map[string]func(*IDOptions, *pipeline.Origin){
		"secret":  func(i *IDOptions, _ *pipeline.Origin) { i.Secret[31]++ },
		"place":   func(i *IDOptions, _ *pipeline.Origin) { i.Place = nil },
		"keys":    func(i *IDOptions, _ *pipeline.Origin) { i.Keys[7]++ },
		"letters": func(i *IDOptions, _ *pipeline.Origin) { i.DeadLetters = true },
		"offset":  func(_ *IDOptions, o *pipeline.Origin) { o.Offset++ },
		"term":    func(_ *IDOptions, o *pipeline.Origin) { o.Term++ },
	} {
		i, o := base, o
		change(&i, &o)
		add(what, i, "ENC", o, "enc.a", 0)
	}
	if ids["mBqiNueQ_1qXKR-HRcAj_WUq"] != "base" {
		t.Errorf("the ids are %v", ids)
	}
}

// TestIDWithoutPlace: where a position cannot name the place of a message, two
// messages could have one id, so it is random.
func TestIDWithoutPlace(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", nil)
	source := [5]byte{1}
	part := uint32(0)
	s := b.sink(b.connect(), SinkOptions{Stream: "ENC", IDs: IDOptions{
		Secret: [32]byte{1}, Place: func(string) ([5]byte, uint32) { return source, part },
	}})
	for name, is := range map[string]struct {
		source [5]byte
		part   uint32
		o      pipeline.Origin
		placed bool
	}{
		"a place":       {source: [5]byte{1}, part: 65535, o: pipeline.Origin{Offset: 1<<48 - 1, Term: 1<<40 - 1}, placed: true},
		"no source":     {},
		"partition":     {source: [5]byte{1}, part: 65536},
		"offset":        {source: [5]byte{1}, o: pipeline.Origin{Offset: 1 << 48}},
		"no offset":     {source: [5]byte{1}, o: pipeline.Origin{Offset: -1}},
		"term":          {source: [5]byte{1}, o: pipeline.Origin{Term: 1 << 40}},
		"another place": {source: [5]byte{2}, placed: true},
	} {
		source, part = is.source, is.part
		w := b.writer(s).(*writer)
		m := pipeline.Message{Value: []byte("v"), Subject: []byte("enc"), Origin: is.o}
		id, other := w.idOf(&m, 0), w.idOf(&m, 1)
		if len(id) != idSize || id != w.idOf(&m, 0) || (id == other) != is.placed {
			t.Errorf("%s: ids %s and %s", name, id, other)
		}
		w.countTry(0)
		if again := w.idOf(&m, 0); again == id {
			t.Errorf("%s: the second try has the same id", name)
		}
		before := b.count("ENC")
		for range 2 {
			if err := w.Write(t.Context(), []pipeline.Message{m, m}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if n := b.count("ENC") - before; is.placed && n != 1 || !is.placed && n != 4 {
			t.Errorf("%s: %d messages stored", name, n)
		}
	}
}

func TestCheckSize(t *testing.T) {
	t.Parallel()
	b := startBroker(t, func(o *server.Options) { o.MaxPayload = 10_000 })
	b.stream("ENC", nil)
	b.stream("LOW", func(cfg *jetstream.StreamConfig) { cfg.MaxMsgSize = 5000 })
	c := b.connect()
	for stream, limit := range map[string]int{"ENC": 10_000, "LOW": 5000} {
		s := b.sink(c, SinkOptions{Stream: stream})
		if s.Limit() != limit {
			t.Fatalf("%s: limit %d", stream, s.Limit())
		}
		m := message(1, subjectOf(stream), nil)
		m.Headers = []pipeline.Header{{Name: "A", Value: []byte(strings.Repeat("v", 1000))}}
		m.Key = []byte("key")
		m.Value = []byte{}
		room := limit - headerBytes(&m)
		// The largest message that passes is taken by the server; one byte more
		// does not pass.
		m.Value = make([]byte, room)
		if err := s.Check(&m, room); err != nil {
			t.Fatal(err)
		}
		w := b.writer(s)
		if err := w.Write(t.Context(), []pipeline.Message{m}, nil); err != nil {
			t.Fatal(err)
		}
		m.Value = make([]byte, room+1)
		wantReject(t, s.Check(&m, room+1), "too-large")
		err := w.Write(t.Context(), []pipeline.Message{message(2, subjectOf(stream), nil), m}, nil)
		wantReject(t, err, "too-large")
		var refused *pipeline.Refused
		if !errors.As(err, &refused) || len(refused.Messages) != 1 || refused.Messages[0].Index != 1 || len(refused.Left) > 0 {
			t.Fatalf("refused: %+v", refused)
		}
		if n := len(b.stored(stream)); n != 2 {
			t.Fatalf("%d messages stored", n)
		}
	}
}

// TestRefusedByTheServer gives a stream messages that it has become too small
// for since it was opened.
func TestRefusedByTheServer(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", nil)
	s := b.sink(b.connect(), SinkOptions{Stream: "ENC"})
	stream, err := b.plain().Stream(t.Context(), "ENC")
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.MaxMsgSize = 2000
	if _, err := b.plain().UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	var msgs []pipeline.Message
	for i := range 40 {
		m := message(int64(i), subjectOf("ENC"), make([]byte, 100))
		m.Origin.Place = string(rune('a' + i%2))
		if i == 5 || i == 8 {
			m.Value = make([]byte, 3000)
		}
		msgs = append(msgs, m)
	}
	w := b.writer(s)
	var left []pipeline.Message
	var refused *pipeline.Refused
	if err := w.Write(t.Context(), msgs, nil); !errors.As(err, &refused) {
		t.Fatalf("got %v", err)
	}
	wantReject(t, refused, pipeline.ReasonTooLarge)
	var named []int
	for _, r := range refused.Messages {
		named = append(named, r.Index)
	}
	if !slices.Equal(named, []int{5, 8}) {
		t.Errorf("refused %v", named)
	}
	for _, i := range refused.Left {
		left = append(left, msgs[i])
	}
	if n := len(b.stored("ENC")); n != 38-len(left) {
		t.Errorf("%d messages stored, %d left", n, len(left))
	}
	if err := w.Write(t.Context(), left, nil); err != nil {
		t.Error(err)
	}
	if n := len(b.stored("ENC")); n != 38 {
		t.Errorf("%d messages stored", n)
	}
}

func wantReject(t *testing.T, err error, reason pipeline.Reason) {
	t.Helper()
	var r *pipeline.Reject
	if !errors.As(err, &r) || r.Reason != reason {
		t.Fatalf("got %v, want the reject %s", err, reason)
	}
}

func TestCheckSubject(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", nil)
	s := b.sink(b.connect(), SinkOptions{Stream: "ENC"})
	for subject, ok := range map[string]bool{
		"enc": true, "enc.a": true, "enc.a.b": true,
		"": false, "other": false, "encx": false, "enc.": false, "enc.*": false, "enc. a": false, "enc.>": false,
	} {
		m := message(1, subject, nil)
		if err := s.Check(&m, 0); (err == nil) != ok || err != nil && !errors.Is(err, ErrSubject) {
			t.Errorf("%q: %v", subject, err)
		}
	}
}

// TestNoSubject: a dead letter has no subject of its own.
func TestNoSubject(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", nil)
	to, err := ParseSubjectMap("enc.dead", "")
	if err != nil {
		t.Fatal(err)
	}
	w := b.writer(b.sink(b.connect(), SinkOptions{Stream: "ENC", Subjects: to}))
	if err := w.Write(t.Context(), []pipeline.Message{message(1, "", nil), message(1, "enc.x", nil)}, nil); err != nil {
		t.Fatal(err)
	}
	stored := b.stored("ENC")
	if len(stored) != 2 || stored[0].Subject != "enc.dead" || stored[1].Subject != "enc.x" {
		t.Fatalf("stored %v", stored)
	}
}

// TestTransient: errors that would come again are returned, those that may pass
// are not.
func TestTransient(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want bool
	}{
		{natsgo.ErrDisconnected, true},
		{natsgo.ErrReconnectBufExceeded, true},
		{jetstream.ErrNoStreamResponse, true},
		{jetstream.ErrAsyncPublishTimeout, true},
		{fmt.Errorf("nats: %w", &jetstream.APIError{Code: 503, ErrorCode: 10077}), true},
		{&jetstream.APIError{Code: 400, ErrorCode: 10054}, false},
		{&jetstream.APIError{Code: 404, ErrorCode: 10059}, false},
		{natsgo.ErrConnectionClosed, false},
		{natsgo.ErrMaxPayload, false},
		{errors.New("anything"), false},
	} {
		if got := isTransient(test.err); got != test.want {
			t.Errorf("%v: transient %v", test.err, got)
		}
	}
}

// TestFullStream waits until there is room, without losing order or a message.
func TestFullStream(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", func(cfg *jetstream.StreamConfig) { cfg.MaxMsgs, cfg.Discard = 5, jetstream.DiscardNew })
	w := b.writer(b.sink(b.connect(), SinkOptions{Stream: "ENC"}))
	done := make(chan error, 1)
	go func() { done <- w.Write(t.Context(), numberedMessages("enc", 8, 0), nil) }()
	eventually(t, "full", func() bool { return len(b.stored("ENC")) == 5 })
	select {
	case err := <-done:
		t.Fatalf("write returned %v with three messages not stored", err)
	default:
	}
	b.purge("ENC")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for i, m := range b.stored("ENC") {
		if string(m.Data) != string(numbered(i+5, 0)) {
			t.Fatalf("then %q", m.Data)
		}
	}
}

// TestWriteGivesUp: the context ends a write that cannot succeed, and nothing
// stays in flight.
func TestWriteGivesUp(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", nil)
	s := b.sink(b.connect(), SinkOptions{Stream: "ENC"})
	b.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := b.writer(s).Write(ctx, numberedMessages("enc", 3, 0), nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if s.inFlight.count != 0 {
		t.Fatalf("%d in flight", s.inFlight.count)
	}
	b.start()
}

// TestWriteWaitsForServer: what could not even be sent is sent when the server
// is back.
func TestWriteWaitsForServer(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", nil)
	c := b.connect()
	s := b.sink(c, SinkOptions{Stream: "ENC"})
	b.stop()
	eventually(t, "disconnected", func() bool { return !c.nc.IsConnected() })
	done := make(chan error, 1)
	go func() { done <- b.writer(s).Write(t.Context(), numberedMessages("enc", 20, 0), nil) }()
	b.start()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for i, m := range b.stored("ENC") {
		if string(m.Data) != string(numbered(i, 0)) {
			t.Fatalf("message %d is %q", i, m.Data)
		}
	}
	if n := b.count("ENC"); n != 20 {
		t.Fatalf("%d stored", n)
	}
}

// TestPublishDenied: the server refuses a publish apart from it, which must not
// end in silence.
func TestPublishDenied(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	c := b.connect()
	before := time.Now()
	c.noteError(fmt.Errorf("%w: Permissions Violation for Publish to \"enc\"", natsgo.ErrPermissionViolation))
	if err := c.deniedSince(before); !errors.Is(err, natsgo.ErrPermissionViolation) || !pipeline.MayPass(err) {
		t.Fatalf("got %v", err)
	}
	if err := c.deniedSince(time.Now()); err != nil {
		t.Fatalf("an old refusal counts: %v", err)
	}
}

func TestNewSink(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", nil)
	b.stream("SILENT", func(cfg *jetstream.StreamConfig) { cfg.NoAck = true })
	b.stream("INTEREST", func(cfg *jetstream.StreamConfig) { cfg.Retention = jetstream.InterestPolicy })
	b.stream("MOVES", func(cfg *jetstream.StreamConfig) {
		cfg.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "moves.>", Destination: "arch.>"}
	})
	b.stream("COUNTS", func(cfg *jetstream.StreamConfig) { cfg.AllowMsgCounter = true })
	b.stream("TINY", func(cfg *jetstream.StreamConfig) { cfg.MaxMsgSize = 100 })
	b.stream("COPY", func(cfg *jetstream.StreamConfig) {
		cfg.Subjects, cfg.Mirror = nil, &jetstream.StreamSource{Name: "ENC"}
	})
	subjects := func(to string) SubjectMap {
		m, err := ParseSubjectMap(to, "")
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	c := b.connect()
	for _, test := range []struct {
		name    string
		options SinkOptions
		want    string
	}{
		{"no name", SinkOptions{}, "not a stream name"},
		{"unknown", SinkOptions{Stream: "NOPE"}, "create=true"},
		{"other subject", SinkOptions{Stream: "ENC", Subjects: subjects("orders")}, `subject "orders" is not among its subjects ["enc" "enc.>"] (choose one with subject=`},
		{"other prefix", SinkOptions{Stream: "ENC", Subjects: subjects("orders.>")}, "is not among"},
		{"subjects of a stream that exists", SinkOptions{Stream: "ENC", CreateSubjects: []string{"a"}}, "only for a stream that is created"},
		{"no acknowledgements", SinkOptions{Stream: "SILENT"}, "no_ack"},
		{"mirror", SinkOptions{Stream: "COPY"}, "mirrors"},
		{"interest without a consumer", SinkOptions{Stream: "INTEREST"}, "interest retention"},
		{"subject transform", SinkOptions{Stream: "MOVES"}, "subject_transform"},
		{"counters", SinkOptions{Stream: "COUNTS"}, "counters"},
		{"no room", SinkOptions{Stream: "TINY"}, "max_msg_size of 100"},
		{"negative", SinkOptions{Stream: "ENC", InFlight: -1}, "negative"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := NewSink(t.Context(), c, test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v", err)
			}
		})
	}

	for _, to := range []string{"enc", "enc.orders", "enc.>", "enc.orders.>", "", ">"} {
		if _, err := NewSink(t.Context(), c, SinkOptions{Stream: "ENC", Subjects: subjects(to)}); err != nil {
			t.Errorf("%q: %v", to, err)
		}
	}
}

func TestCreateStream(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	c := b.connect()
	to, err := ParseSubjectMap("made.>", "")
	if err != nil {
		t.Fatal(err)
	}
	o := SinkOptions{Stream: "MADE", Create: true, Subjects: to, SourceAckWait: time.Minute}
	s := b.sink(c, o)
	if got := s.StreamSubjects(); len(got) != 1 || got[0] != "made.>" || s.StreamCreated().IsZero() {
		t.Fatalf("subjects %q", got)
	}
	if w := s.Warnings(); len(w) != 0 {
		t.Fatalf("a stream of our own making: %q", w)
	}
	// It is there now, and is left as it is.
	o.SourceAckWait = time.Hour
	if w := b.sink(c, o).Warnings(); len(w) != 1 || !strings.Contains(w[0], "duplicates window 3m0s") {
		t.Fatalf("warnings %q", w)
	}
}

// TestCreateAsStrong: what is made keeps as much as the source, and for as
// long.
func TestCreateAsStrong(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	c := b.connect()
	like := &jetstream.StreamConfig{
		Replicas: 1, MaxAge: time.Hour, MaxMsgs: 1000, MaxMsgsPerSubject: 3, MaxBytes: 1 << 20, MaxMsgSize: 1000,
		AllowRollup: true, AllowMsgTTL: true, DenyDelete: true, SubjectDeleteMarkerTTL: time.Minute,
	}
	b.sink(c, SinkOptions{Stream: "MADE", Create: true, Subjects: fixed(t, "made"), Like: like, Growth: 200, SourceAckWait: time.Minute})
	stream, err := b.plain().Stream(t.Context(), "MADE")
	if err != nil {
		t.Fatal(err)
	}
	got := stream.CachedInfo().Config
	if got.MaxAge != time.Hour || got.MaxMsgs != 1000 || got.MaxMsgsPerSubject != 3 || got.MaxBytes != 2<<20 ||
		got.MaxMsgSize != 1000+200+sizeOfOwnHeaders || !got.AllowRollup || !got.AllowMsgTTL || !got.DenyDelete ||
		got.SubjectDeleteMarkerTTL != 0 || got.Duplicates != 3*time.Minute || !got.AllowAtomicPublish {
		t.Fatalf("made %+v", got)
	}
	// The server's own markers are sealed by nobody.
	b.sink(c, SinkOptions{Stream: "PLAIN", Create: true, Subjects: fixed(t, "plain"), Like: like, Plain: true})
	if stream, err = b.plain().Stream(t.Context(), "PLAIN"); err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().Config; got.SubjectDeleteMarkerTTL != time.Minute {
		t.Fatalf("made %+v", got)
	}
	// Dead letters are kept.
	b.sink(c, SinkOptions{Stream: "DEAD", Create: true, Subjects: fixed(t, "dead"), Like: like, IDs: IDOptions{DeadLetters: true}})
	if stream, err = b.plain().Stream(t.Context(), "DEAD"); err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().Config; got.MaxAge != 0 || got.MaxMsgs != -1 || got.MaxMsgsPerSubject != -1 {
		t.Fatalf("made %+v", got)
	}
	// A bucket is one for every client.
	b.sink(c, SinkOptions{Stream: "KV_copy", Create: true, Like: like})
	kv, err := b.plain().KeyValue(t.Context(), "copy")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(t.Context(), "a.b", "v"); err != nil {
		t.Fatal(err)
	}
	if err := kv.Purge(t.Context(), "a.b"); err != nil {
		t.Fatal(err)
	}
}

// TestWeakSink: what is allowed and likely unwanted is said.
func TestWeakSink(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", func(cfg *jetstream.StreamConfig) {
		cfg.Storage, cfg.MaxAge = jetstream.MemoryStorage, time.Hour
		cfg.Discard, cfg.DiscardNewPerSubject, cfg.MaxMsgsPerSubject = jetstream.DiscardNew, true, 1
	})
	b.stream("ASYNC", func(cfg *jetstream.StreamConfig) { cfg.PersistMode = jetstream.AsyncPersistMode })
	c := b.connect()
	like := &jetstream.StreamConfig{Replicas: 3, AllowRollup: true, AllowMsgTTL: true}
	all := strings.Join(b.sink(c, SinkOptions{Stream: "ENC", Like: like}).Warnings(), "\n")
	for _, word := range []string{"kept in memory", "discard_new_per_subject", "1 replicas, the source 3", "after 1h0m0s", "rollup", "TTL"} {
		if !strings.Contains(all, word) {
			t.Errorf("nothing about %q:\n%s", word, all)
		}
	}
	if got := b.sink(c, SinkOptions{Stream: "ASYNC"}).Warnings(); len(got) != 1 || !strings.Contains(got[0], "persist_mode") {
		t.Errorf("%q", got)
	}
}

func TestInFlight(t *testing.T) {
	t.Parallel()
	f := newInFlight(100, 3)
	take := func(size int, want bool) <-chan struct{} {
		t.Helper()
		ok, freed := f.takeRoom(size)
		if ok != want {
			t.Fatalf("took %d: %v", size, ok)
		}
		return freed
	}
	take(500, true) // alone, so it fits
	freed := take(1, false)
	select {
	case <-freed:
		t.Fatal("freed")
	default:
	}
	f.giveRoom(500)
	if err := f.awaitRoom(t.Context(), freed); err != nil {
		t.Fatal(err)
	}
	take(50, true)
	take(51, false)
	take(50, true)
	f.giveRoom(50)
	take(0, true)
	take(0, true)
	freed = take(0, false) // the count is full
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.awaitRoom(ctx, freed); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
