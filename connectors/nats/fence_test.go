package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// frozenBucket lets no renewal of a lease through from when it is frozen until
// it is thawed, as if the process stood still between two renewals.
type frozenBucket struct {
	jetstream.KeyValue
	frozen atomic.Bool
	thawed chan struct{}
}

func (f *frozenBucket) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if !f.frozen.Load() {
		return f.KeyValue.Update(ctx, key, value, revision)
	}
	select {
	case <-f.thawed:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return f.KeyValue.Update(ctx, key, value, revision)
}

func lastValues(atomic bool) func(*jetstream.StreamConfig) {
	return func(cfg *jetstream.StreamConfig) { cfg.MaxMsgsPerSubject, cfg.AllowAtomicPublish = 1, atomic }
}

// TestFence: an owner that was paused, and does not know that another one has
// taken over, puts no old value over that one's.
func TestFence(t *testing.T) {
	t.Parallel()
	for name, is := range map[string]struct{ atomic, reads bool }{
		"in batches": {atomic: true, reads: true}, "one by one": {reads: true}, "first write": {atomic: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, nil)
			b.stream("ORDERS", nil)
			b.stream("ENC", lastValues(is.atomic))
			b.fill("ORDERS", 10, 0)
			c := b.connect()
			s := b.source(c, SourceOptions{Stream: "ORDERS", Consumer: "enc"})
			frozen := &frozenBucket{KeyValue: s.lease.kv, thawed: make(chan struct{})}
			s.lease.kv = frozen
			v := serve(t, s)
			v.read(10)
			w, err := b.sink(c, SinkOptions{Stream: "ENC", Subjects: fixed(t, "enc.k")}).Open(t.Context(), v.lane)
			if err != nil {
				t.Fatal(err)
			}
			msgs := numberedMessages("enc.k", 6, 0)
			if is.reads {
				if err := w.Write(t.Context(), msgs[:3], nil); err != nil {
					t.Fatal(err)
				}
			}
			frozen.frozen.Store(true)
			if _, err := frozen.KeyValue.Put(t.Context(), "lease.ORDERS.enc", []byte(`{"owner":"other"}`)); err != nil {
				t.Fatal(err)
			}
			b.publish(&natsgo.Msg{Subject: "enc.k", Data: []byte("newer")})
			done := make(chan error, 1)
			go func() { done <- w.Write(t.Context(), msgs[3:], nil) }()
			eventually(t, "the owner has doubts", func() bool { return len(s.lease.work) > 0 || len(done) > 0 })
			close(frozen.thawed)
			if err := <-done; !errors.Is(err, pipeline.ErrLost) {
				t.Errorf("write: %v", err)
			}
			stored := b.lastStored("ENC")
			if got := string(stored[len(stored)-1].Data); got != "newer" {
				t.Errorf("the value is %q", got)
			}
			v.cancel()
			v.let <- nil
			<-v.done
		})
	}
}

// ownerLane is a lane whose owner is confirmed by a function.
type ownerLane struct {
	pipeline.Lane
	confirm func() error
	filters []string
}

func (l ownerLane) ConfirmOwner(context.Context) error { return l.confirm() }
func (l ownerLane) SubjectFilters() []string           { return l.filters }

// TestFenceAgainstOthers: a stranger who writes in between once costs another
// try, and one who always does costs the fence.
func TestFenceAgainstOthers(t *testing.T) {
	t.Parallel()
	for name, is := range map[string]struct {
		atomic, always bool
	}{"once": {}, "once, in batches": {atomic: true}, "always": {always: true}, "always, in batches": {true, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, nil)
			b.stream("ENC", lastValues(is.atomic))
			var log lockedBuffer
			s, err := NewSink(t.Context(), b.connect(), SinkOptions{
				Stream: "ENC", Subjects: fixed(t, "enc.k"), Log: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			confirmed := 0
			w, err := s.Open(t.Context(), ownerLane{confirm: func() error {
				if confirmed++; confirmed == 1 || is.always {
					b.publish(&natsgo.Msg{Subject: "enc.k", Data: []byte("a stranger's")})
				}
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Write(t.Context(), numberedMessages("enc.k", 5, 0), nil); err != nil {
				t.Fatal(err)
			}
			if stored := b.lastStored("ENC"); string(stored[0].Data) != string(numbered(4, 0)) {
				t.Errorf("the value is %q", stored[0].Data)
			}
			want, said := 2, 0
			if is.always {
				want, said = maxFenceMisses+1, 1
			}
			if confirmed != want || log.count("others write") != said {
				t.Errorf("confirmed %d times:\n%s", confirmed, log.String())
			}
		})
	}
}

// slowKV is a bucket that answers after something else has happened.
type slowKV struct {
	jetstream.KeyValue
	before func()
}

func (k slowKV) Update(_ context.Context, _ string, _ []byte, revision uint64) (uint64, error) {
	k.before()
	return revision + 1, nil
}

// TestConfirmedWhenSent: a renewal that was under way when somebody asked says
// nothing about the time after that.
func TestConfirmedWhenSent(t *testing.T) {
	t.Parallel()
	var asked time.Time
	e := &lease{log: quiet, revision: 1, until: time.Now().Add(time.Hour), turned: make(chan struct{})}
	e.kv = slowKV{before: func() {
		for asked = time.Now(); !time.Now().After(asked); {
			continue
		}
	}}
	if !e.renew(t.Context()) || e.confirmed.IsZero() || e.confirmed.After(asked) {
		t.Errorf("asked at %v, confirmed at %v", asked, e.confirmed)
	}
}

// TestFenceFilter: instances with a part of the subjects each do not meet.
func TestFenceFilter(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", lastValues(true))
	b.stream("LOG", nil)
	c := b.connect()
	for name, is := range map[string]struct {
		stream, to, strip string
		filters           []string
		want              string // empty for no fence
	}{
		"all":         {stream: "ENC", to: "enc.>", want: "enc.>"},
		"own":         {stream: "ENC", want: ">"},
		"a part":      {stream: "ENC", to: "enc.>", filters: []string{"orders.eu.>"}, want: "enc.orders.eu.>"},
		"stripped":    {stream: "ENC", to: "enc.>", strip: "orders", filters: []string{"orders.eu.>"}, want: "enc.eu.>"},
		"wider":       {stream: "ENC", to: "enc.>", strip: "orders", filters: []string{"*.eu.>"}, want: "enc.>"},
		"nothing":     {stream: "ENC", to: "enc.>", strip: "orders", filters: []string{"other.eu"}},
		"one subject": {stream: "ENC", to: "enc.k", filters: []string{"a", "b"}, want: "enc.k"},
		"two parts":   {stream: "ENC", to: "enc.>", filters: []string{"orders.eu.>", "orders.us.>"}},
		"no values":   {stream: "LOG", to: "log.>"},
	} {
		m, err := ParseSubjectMap(is.to, is.strip)
		if err != nil {
			t.Fatal(err)
		}
		s := b.sink(c, SinkOptions{Stream: is.stream, Subjects: m})
		f, got := s.newFence(ownerLane{filters: is.filters}), ""
		if f != nil {
			got = f.filter
		}
		if got != is.want {
			t.Errorf("%s: %q, want %q", name, got, is.want)
		}
	}
	if f := b.sink(c, SinkOptions{Stream: "ENC"}).newFence(nil); f != nil {
		t.Error("a fence without an owner")
	}
}

// TestFencedParts: three lanes with a part of the subjects each write to one
// bucket at the same time, and none takes down its fence.
func TestFencedParts(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", lastValues(true))
	to, err := ParseSubjectMap("enc.>", "")
	if err != nil {
		t.Fatal(err)
	}
	s := b.sink(b.connect(), SinkOptions{Stream: "ENC", Subjects: to})
	var writers []pipeline.Writer
	var confirmed atomic.Int32
	done := make(chan error)
	for lane := range 3 {
		subject := fmt.Sprint("p", lane)
		w, err := s.Open(t.Context(), ownerLane{
			confirm: func() error { confirmed.Add(1); return nil }, filters: []string{subject + ".>"},
		})
		if err != nil {
			t.Fatal(err)
		}
		writers = append(writers, w)
		msgs := numberedMessages("enc."+subject+".k", 40, 0)
		for i := range msgs {
			msgs[i].Origin.Place = subject
		}
		go func() {
			for i := 0; i < len(msgs); i += 4 {
				if err := w.Write(t.Context(), msgs[i:i+4], nil); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range writers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := confirmed.Load(); n != 3 { // once each, at the beginning
		t.Errorf("owners were confirmed %d times", n)
	}
	for _, w := range writers {
		if f := w.(*writer).fence; f.down || f.misses != 0 || !f.known {
			t.Errorf("fence %+v", f)
		}
	}
	for _, m := range b.lastStored("ENC") {
		if string(m.Data) != string(numbered(39, 0)) {
			t.Errorf("%s is %q", m.Subject, m.Data)
		}
	}
}

// lastStored returns what a stream that keeps last values holds, in order.
func (b *broker) lastStored(stream string) (msgs []*jetstream.RawStreamMsg) {
	b.t.Helper()
	s, err := b.plain().Stream(b.t.Context(), stream)
	if err != nil {
		b.t.Fatal(err)
	}
	state := s.CachedInfo().State
	for seq := state.FirstSeq; seq <= state.LastSeq && state.Msgs > 0; seq++ {
		msg, err := s.GetMsg(b.t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			b.t.Fatal(err)
		}
		msgs = append(msgs, msg)
	}
	return msgs
}
