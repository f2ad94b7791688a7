package nats

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// smallPayload makes a server refuse messages of more than 10,000 bytes.
func smallPayload(o *server.Options) { o.MaxPayload = 10_000 }

func largeMessage(offset int64, size int) pipeline.Message {
	m := message(offset, "enc.large", bytes.Repeat([]byte{byte('a' + offset)}, size))
	m.Key = []byte("key")
	m.Headers = []pipeline.Header{{Name: "A", Value: []byte("1")}, {Name: "Z", Value: []byte("2")}}
	return m
}

func TestParts(t *testing.T) {
	t.Parallel()
	for _, mode := range []PublishMode{PublishAsync, PublishBatch} {
		b := startBroker(t, smallPayload)
		b.stream("ENC", atomicStream)
		c := b.connect()
		s := b.sink(c, SinkOptions{Stream: "ENC", Publish: mode})
		msgs := []pipeline.Message{
			largeMessage(0, 10), largeMessage(1, 9000), largeMessage(2, 25_000), largeMessage(3, 10), largeMessage(4, 200_000),
			largeMessage(5, 10_000), largeMessage(6, 0),
		}
		for i := range msgs {
			if err := s.Check(&msgs[i], len(msgs[i].Value)); err != nil {
				t.Fatal(err)
			}
		}
		w := b.writer(s)
		if err := w.Write(t.Context(), msgs, nil); err != nil {
			t.Fatal(err)
		}
		if f := s.inFlight; f.bytes != 0 || f.count != 0 {
			t.Errorf("%d messages and %d bytes in flight at the end", f.count, f.bytes)
		}
		got := b.messages(c, "ENC")
		if len(got) != len(msgs) {
			t.Fatalf("%d messages read", len(got))
		}
		for i, m := range got {
			if !bytes.Equal(m.Value, msgs[i].Value) || string(m.Key) != "key" || len(m.Headers) != 2 ||
				string(m.Subject) != "enc.large" || uint64(m.Origin.Offset) != w.(*writer).stored[i] {
				t.Errorf("message %d: %d bytes, %v, at %d", i, len(m.Value), m.Headers, m.Origin.Offset)
			}
		}
		for _, m := range b.stored("ENC") {
			if part := m.Header.Get(partHeader); part != "" && !strings.HasPrefix(part, "1/") && m.Header.Get("A") != "" {
				t.Errorf("part %s has headers of the first one", part)
			}
		}
	}
}

// TestEffectsOfParts: all parts live as long as their message does, and none of
// them purges those before it.
func TestEffectsOfParts(t *testing.T) {
	t.Parallel()
	b := startBroker(t, smallPayload)
	b.stream("ENC", func(cfg *jetstream.StreamConfig) {
		cfg.AllowAtomicPublish, cfg.AllowMsgTTL, cfg.AllowRollup = true, true, true
	})
	m := largeMessage(1, 25_000)
	m.Headers = []pipeline.Header{
		{Name: rollupEffect, Value: []byte(rollupSubject)}, {Name: ttlEffect, Value: []byte("1h")},
	}
	if err := b.writer(b.sink(b.connect(), SinkOptions{Stream: "ENC"})).Write(t.Context(), []pipeline.Message{m}, nil); err != nil {
		t.Fatal(err)
	}
	stored := b.stored("ENC")
	if len(stored) != 3 {
		t.Fatalf("%d parts are stored", len(stored))
	}
	for i, part := range stored {
		if ttl := part.Header.Get(ttlHeader); ttl != "1h" {
			t.Errorf("part %d lives %q", i+1, ttl)
		}
		if rollup := part.Header.Get(rollupHeader); (rollup != "") != (i == 0) {
			t.Errorf("part %d has the rollup %q", i+1, rollup)
		}
	}
}

// TestNoParts: where there are none, a large message is a Reject.
func TestNoParts(t *testing.T) {
	t.Parallel()
	b := startBroker(t, func(o *server.Options) {
		smallPayload(o)
		o.JetStreamLimits.MaxBatchSize = 5
	})
	b.stream("ENC", atomicStream)
	b.stream("LAST", lastValues(true))
	b.stream("NONE", nil)
	c := b.connect()
	for name, is := range map[string]struct {
		o    SinkOptions
		size int
	}{
		"decrypted":        {SinkOptions{Stream: "ENC", Plain: true}, 20_000},
		"dead letters":     {SinkOptions{Stream: "ENC", IDs: IDOptions{DeadLetters: true}}, 20_000},
		"last values":      {SinkOptions{Stream: "LAST"}, 20_000},
		"no batches":       {SinkOptions{Stream: "NONE"}, 20_000},
		"too many parts":   {SinkOptions{Stream: "ENC"}, 10_000_000},
		"the server's own": {SinkOptions{Stream: "ENC"}, 60_000},
	} {
		s := b.sink(c, is.o)
		m := message(1, subjectOf(is.o.Stream), make([]byte, is.size))
		if name != "the server's own" {
			wantReject(t, s.Check(&m, is.size), pipeline.ReasonTooLarge)
		}
		wantReject(t, b.writer(s).Write(t.Context(), []pipeline.Message{m}, nil), pipeline.ReasonTooLarge)
	}
	if n := b.count("ENC") + b.count("LAST") + b.count("NONE"); n != 0 {
		t.Errorf("%d messages stored", n)
	}
}

// TestPartsAgain: parts that are stored already are not stored again; those
// that the stream only remembers are.
func TestPartsAgain(t *testing.T) {
	t.Parallel()
	b := startBroker(t, smallPayload)
	b.stream("ENC", atomicStream)
	c := b.connect()
	o := SinkOptions{Stream: "ENC", IDs: IDOptions{Secret: [32]byte{3}}}
	msgs := []pipeline.Message{largeMessage(0, 10), largeMessage(1, 25_000), largeMessage(2, 25_000)}
	var s *Sink
	write := func(parts, already, again int) {
		t.Helper()
		s = b.sink(c, o)
		if err := b.writer(s).Write(t.Context(), msgs, nil); err != nil {
			t.Fatal(err)
		}
		if n := b.count("ENC"); n != uint64(parts) {
			t.Errorf("%d messages stored", n)
		}
		if a, g := notedDuplicates(s); a != already || g != again {
			t.Errorf("%d stored already, %d again", a, g)
		}
		if got := b.messages(c, "ENC"); len(got) != 3 || !bytes.Equal(got[2].Value, msgs[2].Value) {
			t.Errorf("%d messages read", len(got))
		}
	}
	write(7, 0, 0)
	write(7, 3, 0)
	for i := range 2 {
		b.purge("ENC")
		write(7, 0, 3*(i+1))
	}
}

// TestPartsThatAreLeft: a message of which the stream still has some parts is
// not there.
func TestPartsThatAreLeft(t *testing.T) {
	t.Parallel()
	for _, gone := range []uint64{1, 3} { // the first part, the last one
		b := startBroker(t, smallPayload)
		b.stream("ENC", atomicStream)
		c := b.connect()
		o := SinkOptions{Stream: "ENC", IDs: IDOptions{Secret: [32]byte{3}}}
		msgs := []pipeline.Message{largeMessage(1, 25_000)}
		if err := b.writer(b.sink(c, o)).Write(t.Context(), msgs, nil); err != nil {
			t.Fatal(err)
		}
		b.remove("ENC", gone)
		s := b.sink(c, o)
		if err := b.writer(s).Write(t.Context(), msgs, nil); err != nil {
			t.Fatal(err)
		}
		if already, again := notedDuplicates(s); b.count("ENC") != 5 || already != 0 || again != 1 {
			t.Errorf("part %d: %d messages; %d stored already, %d again", gone, b.count("ENC"), already, again)
		}
	}
}

// TestPartsLostAnswer: the parts are committed, and the connection is lost
// before the answer has come.
func TestPartsLostAnswer(t *testing.T) {
	t.Parallel()
	b := startBroker(t, smallPayload)
	b.stream("ENC", atomicStream)
	c := b.connect()
	s := b.sink(c, SinkOptions{Stream: "ENC"})
	w := b.writer(s).(*writer)
	hear := w.answers.turnDeaf(t)
	done := make(chan error, 1)
	go func() { done <- w.Write(t.Context(), []pipeline.Message{largeMessage(1, 25_000)}, nil) }()
	hear(2) // the first part, and the commit
	if err := c.nc.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if already, again := notedDuplicates(s); b.count("ENC") != 3 || already != 1 || again != 0 {
		t.Errorf("%d messages; %d stored already, %d again", b.count("ENC"), already, again)
	}
}

// partMsg is a part as a stranger may publish it.
func partMsg(header, payload string) *natsgo.Msg {
	m := &natsgo.Msg{Subject: "enc", Data: []byte(payload), Header: natsgo.Header{}}
	if header != "" {
		m.Header[partHeader] = []string{header}
	}
	return m
}

const (
	idA = "/AAAAAAAAAAAAAAAAAAAAAA"
	idB = "/BBBBBBBBBBBBBBBBBBBBBA"
)

// TestStrangeParts: what is not one message is refused, and what comes behind it
// is read.
func TestStrangeParts(t *testing.T) {
	t.Parallel()
	withHeader := partMsg("2/2"+idA, "2")
	withHeader.Header["X"] = []string{"x"}
	elsewhere := partMsg("2/2"+idA, "2")
	elsewhere.Subject = "enc.other"
	twice := partMsg("1/2"+idA, "1")
	twice.Header[partHeader] = append(twice.Header[partHeader], "1/2"+idA)
	for name, is := range map[string]struct {
		msgs []*natsgo.Msg
		want []string // values or reasons
	}{
		"good":            {[]*natsgo.Msg{partMsg("1/2"+idA, "1"), partMsg("2/2"+idA, "2")}, []string{"12"}},
		"two":             {[]*natsgo.Msg{partMsg("1/2"+idA, "1"), partMsg("2/2"+idA, "2"), partMsg("1/2"+idB, "3"), partMsg("2/2"+idB, "4")}, []string{"12", "34"}},
		"no first":        {[]*natsgo.Msg{partMsg("2/3"+idA, "2"), partMsg("3/3"+idA, "3")}, []string{"malformed"}},
		"no second":       {[]*natsgo.Msg{partMsg("1/3"+idA, "1"), partMsg("3/3"+idA, "3")}, []string{"malformed"}},
		"no last":         {[]*natsgo.Msg{partMsg("1/3"+idA, "1"), partMsg("2/3"+idA, "2")}, []string{"truncated"}},
		"another message": {[]*natsgo.Msg{partMsg("1/2"+idA, "1"), partMsg("1/2"+idB, "3"), partMsg("2/2"+idB, "4")}, []string{"truncated", "34"}},
		"between":         {[]*natsgo.Msg{partMsg("1/2"+idA, "1"), partMsg("", "x"), partMsg("2/2"+idA, "2")}, []string{"truncated", "x", "malformed"}},
		"doubled":         {[]*natsgo.Msg{partMsg("1/2"+idA, "1"), partMsg("1/2"+idA, "1"), partMsg("2/2"+idA, "2")}, []string{"malformed"}},
		"swapped":         {[]*natsgo.Msg{partMsg("1/3"+idA, "1"), partMsg("3/3"+idA, "3"), partMsg("2/3"+idA, "2")}, []string{"malformed"}},
		"other number":    {[]*natsgo.Msg{partMsg("1/2"+idA, "1"), partMsg("2/3"+idA, "2")}, []string{"malformed"}},
		"other subject":   {[]*natsgo.Msg{partMsg("1/2"+idA, "1"), elsewhere}, []string{"malformed"}},
		"a header more":   {[]*natsgo.Msg{partMsg("1/2"+idA, "1"), withHeader}, []string{"malformed"}},
		"header twice":    {[]*natsgo.Msg{twice}, []string{"malformed"}},
		"no such header":  {[]*natsgo.Msg{partMsg("1/1"+idA, "1"), partMsg("x", "2")}, []string{"malformed", "malformed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, nil)
			b.stream("ENC", nil)
			for _, m := range append(is.msgs, partMsg("", "end")) {
				if strings.Contains(name, "no last") && string(m.Data) == "end" {
					break
				}
				b.publish(m)
			}
			s := b.source(b.connect(), SourceOptions{Stream: "ENC", Consumer: "dec", Sealed: true, UntilEnd: true})
			s.partWait = 100 * time.Millisecond
			want := is.want
			if name != "no last" {
				want = append(slices.Clone(want), "end")
			}
			var got []string
			err := s.Serve(t.Context(), func(ctx context.Context, l pipeline.Lane) error {
				return readBatches(ctx, l, readLimit, func(batch *pipeline.Batch) error {
					for _, m := range batch.Messages {
						text := string(m.Value)
						var reject *pipeline.Reject
						if errors.As(m.Fault, &reject) {
							text = string(reject.Reason)
						}
						got = append(got, text)
					}
					last := batch.Messages[len(batch.Messages)-1].Origin.Offset
					return l.Commit(ctx, &pipeline.Progress{
						Messages: len(batch.Messages), Places: []pipeline.Position{{Place: "ENC", Next: last + 1, Last: last}},
					})
				})
			})
			if err != nil {
				t.Fatal(err)
			}
			// A part of a message that was refused already is refused with it, or
			// by itself if it comes later.
			if !slices.Equal(slices.Compact(got), slices.Compact(slices.Clone(want))) {
				t.Errorf("read %q, want %q", got, want)
			}
			eventually(t, "everything acknowledged", func() bool {
				return b.consumer("ENC", "dec").AckFloor.Stream == b.count("ENC")
			})
		})
	}
}

// TestLargerThanReadAhead: parts of one message do not wait for room that only
// the message itself would make, and take no more than a batch may have.
func TestLargerThanReadAhead(t *testing.T) {
	t.Parallel()
	b := startBroker(t, smallPayload)
	b.stream("ENC", atomicStream)
	c := b.connect()
	msgs := []pipeline.Message{largeMessage(0, 300_000), largeMessage(1, 10)}
	if err := b.writer(b.sink(c, SinkOptions{Stream: "ENC"})).Write(t.Context(), msgs, nil); err != nil {
		t.Fatal(err)
	}
	for _, is := range []struct {
		limit int
		fault bool
	}{{1 << 20, false}, {100_000, true}} {
		s := b.source(c, SourceOptions{Stream: "ENC", Sealed: true, UntilEnd: true, ReadAhead: 10_000})
		most, n := 0, 0
		err := s.Serve(t.Context(), func(ctx context.Context, l pipeline.Lane) error {
			return readBatches(ctx, l, is.limit, func(batch *pipeline.Batch) error {
				most = max(most, batch.Size)
				for _, m := range batch.Messages {
					if n == 0 && (m.Fault != nil) != is.fault || n == 0 && !is.fault && len(m.Value) != 300_000 {
						return fmt.Errorf("%d bytes, fault %w", len(m.Value), m.Fault)
					}
					if n == 0 && is.fault {
						wantReject(t, m.Fault, pipeline.ReasonTooLarge)
					}
					n++
				}
				return nil
			})
		})
		if err != nil || n != 2 {
			t.Errorf("limit %d: %d messages, %v", is.limit, n, err)
		}
		if is.fault && most > 2*is.limit {
			t.Errorf("limit %d: a batch of %d bytes", is.limit, most)
		}
	}
}

// TestPartsAreAckedTogether: the next owner begins with the first part of a
// message that is not done, and behind all parts of one that is.
func TestPartsAreAckedTogether(t *testing.T) {
	t.Parallel()
	b := startBroker(t, smallPayload)
	b.stream("ENC", atomicStream)
	c := b.connect()
	msgs := []pipeline.Message{largeMessage(0, 10), largeMessage(1, 25_000), largeMessage(2, 10)}
	if err := b.writer(b.sink(c, SinkOptions{Stream: "ENC"})).Write(t.Context(), msgs, nil); err != nil {
		t.Fatal(err)
	}
	o := SourceOptions{Stream: "ENC", Consumer: "dec", Sealed: true}
	for done, next := range []uint64{1, 2, 5, 6} { // done messages; the first part of the next one
		v := serve(t, b.source(c, o))
		var offsets []int64
		for len(offsets) < 3-max(done-1, 0) {
			batch, err := v.lane.Read(t.Context(), readLimit)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range batch.Messages {
				if m.Fault != nil {
					t.Fatal(m.Fault)
				}
				offsets = append(offsets, m.Origin.Offset)
			}
		}
		if done > 0 {
			at := pipeline.Position{Place: "ENC", Next: 6, Last: offsets[0]}
			if len(offsets) > 1 {
				at.Next = offsets[1]
			}
			if err := v.lane.Commit(t.Context(), &pipeline.Progress{Messages: 1, Places: []pipeline.Position{at}}); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "acknowledged", func() bool { return b.consumer("ENC", "dec").AckFloor.Stream == next-1 })
		if got := v.lane.(*lane).source.start.next; done > 0 && got != next {
			t.Errorf("after %d messages the next one begins at %d", done, got)
		}
		v.leave(nil)
	}
}

// TestPartsWaitForTheirPosition: no part is acknowledged before it is known that
// its message is done, even when the acknowledgement of a later message was
// lost and is sent again.
func TestPartsWaitForTheirPosition(t *testing.T) {
	t.Parallel()
	b := startBroker(t, smallPayload)
	b.stream("ENC", atomicStream)
	c := b.connect()
	msgs := []pipeline.Message{largeMessage(0, 25_000), largeMessage(1, 10)} // three parts and one message
	if err := b.writer(b.sink(c, SinkOptions{Stream: "ENC"})).Write(t.Context(), msgs, nil); err != nil {
		t.Fatal(err)
	}
	store := &brokenStore{NewFileState(filepath.Join(t.TempDir(), "gate.state")), make(chan struct{})}
	v := serve(t, b.source(c, SourceOptions{Stream: "ENC", Consumer: "dec", Sealed: true, AckWait: time.Hour, State: store}))
	v.read(2)
	commit := func(offset int64) {
		t.Helper()
		at := pipeline.Position{Place: "ENC", Next: offset + 1, Last: offset}
		if err := v.lane.Commit(t.Context(), &pipeline.Progress{Messages: 1, Places: []pipeline.Position{at}}); err != nil {
			t.Fatal(err)
		}
	}
	commit(3)
	b.stop()
	eventually(t, "away", func() bool { return !c.nc.IsConnected() })
	commit(4)
	b.start()
	eventually(t, "back", c.nc.IsConnected)
	v.lane.(*lane).settleDebts()
	if err := c.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if floor := b.consumer("ENC", "dec").AckFloor.Stream; floor != 0 {
		t.Errorf("acknowledged up to %d before the position was stored", floor)
	}
	close(store.broken)
	eventually(t, "acknowledged", func() bool { return b.consumer("ENC", "dec").AckFloor.Stream == 4 })
	v.leave(nil)
}

// TestTrialOfParts: a stream that is parked at a message in parts reads it again
// as one.
func TestTrialOfParts(t *testing.T) {
	t.Parallel()
	l := &lane{source: &Source{SourceOptions: SourceOptions{ReadAhead: 100}}}
	parts := []*delivery{
		{msg: partMsg("1/2"+idA, "1"), sequence: 4, size: 1}, {msg: partMsg("2/2"+idA, "2"), sequence: 5, size: 1},
		{msg: partMsg("", "x"), sequence: 6, size: 1},
	}
	for _, d := range parts {
		d.notePart()
	}
	l.ready, l.bytes, l.joining.limit = slices.Clone(parts), 3, 100
	l.attend = make(chan struct{}, 1)
	if b, err := l.takeReady(100); err != nil || len(b.Messages) != 2 || l.bytes != 0 {
		t.Fatalf("%v, %d bytes left", err, l.bytes)
	}
	if !l.takeBack(pipeline.Position{Next: 5}) || l.bytes != 3 || !slices.Equal(l.ready, parts) {
		t.Fatalf("%d messages of %d bytes", len(l.ready), l.bytes)
	}
	if b, err := l.takeReady(1); err != nil || len(b.Messages) != 1 || string(b.Messages[0].Value) != "12" {
		t.Fatalf("%+v, %v", b, err)
	}
}

// TestPartIsLate: a part that the stream holds is waited for, as long as it
// takes.
func TestPartIsLate(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", nil)
	b.publish(partMsg("1/2"+idA, "1"))
	b.publish(partMsg("2/2"+idA, "2"))
	if _, err := b.plain().CreateConsumer(t.Context(), "ENC", jetstream.ConsumerConfig{
		Durable: "dec", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1,
	}); err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	s, err := NewSource(t.Context(), b.connect(), SourceOptions{
		Stream: "ENC", Consumer: "dec", Sealed: true, Log: slog.New(slog.NewTextHandler(&log, nil)),
		MaxAckPending: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.partWait = 50 * time.Millisecond
	v := serve(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := v.lane.Read(ctx, readLimit)
		done <- err
	}()
	eventually(t, "asked twice", func() bool { return log.count("does not deliver") >= 2 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
	v.leave(nil)
}

// TestLacksPart: the part behind another one is the next message under its
// subject, or is gone.
func TestLacksPart(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	c := b.connect()
	for stream, is := range map[string]struct {
		behind []string // headers
		lacks  bool
	}{
		"NOTHING": {nil, true},
		"NEXT":    {[]string{"2/3" + idA}, false},
		"LAST":    {[]string{"3/3" + idA}, true},
		"OTHER":   {[]string{"2/3" + idB, "2/3" + idA}, true},
		"COUNT":   {[]string{"2/4" + idA}, true},
		"WHOLE":   {[]string{""}, true},
	} {
		b.stream(stream, nil)
		for _, header := range append([]string{"1/3" + idA}, is.behind...) {
			msg := partMsg(header, "x")
			msg.Subject = subjectOf(stream)
			b.publish(msg)
		}
		first := partMsg("1/3"+idA, "x")
		first.Subject = subjectOf(stream)
		d := &delivery{msg: first, sequence: 1}
		d.notePart()
		s := b.source(c, SourceOptions{Stream: stream, UntilEnd: true, Sealed: true})
		if lacks, err := s.lacksPart(t.Context(), d); err != nil || lacks != is.lacks {
			t.Errorf("%s: %v, %v", stream, lacks, err)
		}
	}
}

// TestHalfABatch: a batch that is not committed shows nothing of itself.
func TestHalfABatch(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", atomicStream)
	for i := 1; i <= 2; i++ {
		m := partMsg(fmt.Sprint(i, "/3", idA), "x")
		m.Header[batchIDHeader], m.Header[batchNumberHeader] = []string{"b"}, []string{fmt.Sprint(i)}
		if _, err := b.plain().Conn().RequestMsg(m, 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.count("ENC"); n != 0 {
		t.Errorf("%d messages are visible", n)
	}
}

func TestParsePart(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]partNumber{
		"1/2" + idA: {1, 2, idA[1:]}, "1000/1000" + idA: {1000, 1000, idA[1:]},
		"": {}, "1/1" + idA: {}, "0/2" + idA: {}, "3/2" + idA: {}, "1/1001" + idA: {}, "01/2" + idA: {}, "+1/2" + idA: {},
		"1/2/AAAAAAAAAAAAAAAAAAAAAB": {}, "1/2/AAAAAAAAAAAAAAAAAAAAA": {}, "1/2" + idA + "/": {}, "1/2" + idA + "\n": {},
		" 1/2" + idA: {}, "1/2": {}, "1": {},
	} {
		if got, err := parsePart(text); got != want || (err == nil) != (want.part > 0) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

// FuzzPart: one part has one spelling.
func FuzzPart(f *testing.F) {
	f.Add("1/2" + idA)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePart(text)
		if err == nil && (p.String() != text || p.part > p.parts || p.parts > maxParts || len(p.id) != partIDSize) {
			t.Fatalf("%q: %+v", text, p)
		}
	})
}
