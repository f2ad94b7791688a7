package kafka

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// watched starts a member of group g that tells when a lane parks.
func (b *broker) watched(delivery Delivery, workers int) (r *run, parked chan error) {
	parked = make(chan error, 10)
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g", Workers: workers})
	sink := b.sink(c, SinkOptions{Topic: "out", Source: src, Create: true, Delivery: delivery})
	return start(b.t, pipeline.Options{
		Source: src, Sink: sink, Workers: workers, ReadAhead: 16 << 10,
		Observer: &pipelinetest.Recorder{Parked: func(_ string, err error) { parked <- err }},
	}), parked
}

// anew deletes a topic and makes another one of its name.
func (b *broker) anew(topic string, partitions int) {
	b.t.Helper()
	if err := b.DeleteTopic(topic); err != nil {
		b.t.Fatal(err)
	}
	b.destination(topic, partitions)
}

// TestSourceMadeAnew: when the topic is deleted during a run and made again,
// the lane parks. Nothing of the new topic is carried in the old one's name,
// even if its offsets would fit.
func TestSourceMadeAnew(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string]int{"empty": 0, "shorter": 5, "longer": 100} {
		for kind, delivery := range map[string]Delivery{"exactly once": ExactlyOnce, "at least once": AtLeastOnce} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				b := startBroker(t)
				b.topic("in", 1)
				b.put("in", 1, numbered(0, 20))
				r, parked := b.watched(delivery, 1)
				b.eventually("the first messages", b.caughtUp)
				b.anew("in", 1)
				b.put("in", 1, numbered(1<<20, fill))
				if err := <-parked; !errors.Is(err, cluster.ErrReplaced) && !strings.Contains(err.Error(), "made anew") {
					t.Errorf("parked with %v", err)
				}
				if _, ok := errors.AsType[*pipeline.ParkedError](r.stop()); !ok {
					t.Errorf("the run ended with %v", r.err)
				}
				if err := onceInOrder(b.committed("out"), 20); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestSourceMadeAnewUnseen is the same when no fetch is under way meanwhile,
// since nothing more is wanted yet.
func TestSourceMadeAnewUnseen(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(0, 20))
	b.refresh = time.Nanosecond
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: "in", Group: "g"})
	src.timing.pause = 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := src.Serve(ctx, func(ctx context.Context, l pipeline.Lane) error {
		defer cancel()
		read := 0
		for read < 20 {
			batch, err := l.Read(ctx, 1<<20)
			if err != nil {
				return err
			}
			read += len(batch.Messages)
			batch.Release()
		}
		b.anew("in", 1)
		b.put("in", 1, numbered(1<<20, 40))
		batch, err := l.Read(ctx, 1<<20)
		if err == nil {
			t.Errorf("read %d messages from offset %d", len(batch.Messages), batch.Messages[0].Origin.Offset)
			batch.Release()
		} else if !errors.Is(err, cluster.ErrReplaced) {
			t.Errorf("got %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestGrownBeyondTheDestination: a partition that the source got later and the
// destination does not have is parked with both numbers, and the others go on.
// It goes on by itself when the destination has grown.
func TestGrownBeyondTheDestination(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.destination("out", 1)
	b.put("in", 1, numbered(0, 10))
	r, parked := b.watched(ExactlyOnce, 2)
	b.eventually("the first messages", b.caughtUp)
	b.partitions("in", 2)
	b.put("in", 2, numbered(10, 30))
	const want = "in/1 has no partition of that number among the 1 of the destination"
	if err := <-parked; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("parked with %v", err)
	}
	b.eventually("partition 0", func() bool { return b.offsetOf("g", "in", 0) >= 25 })
	if got := b.committed("out"); len(got) != 25 {
		t.Errorf("%d messages are there", len(got))
	}
	b.partitions("out", 2) // what the error asks for
	b.eventually("the rest", b.caughtUp)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if err := onceInOrder(b.committed("out"), 40); err != nil {
		t.Error(err)
	}
}

// TestDestinationMadeAnew: what would be written after the destination was
// deleted and made again follows on nothing. The brokers accept it from a
// transactional producer without a word.
func TestDestinationMadeAnew(t *testing.T) {
	t.Parallel()
	for _, pause := range []time.Duration{0, time.Hour} {
		t.Run(pause.String(), func(t *testing.T) {
			b := startBroker(t)
			b.refresh = time.Nanosecond
			s := newStep(b, 0, cluster.NoMember("g"))
			defer s.stopLoop()
			s.good.sink.pause = pause
			write := func(n int) error {
				return errors.Join(s.good.Write(t.Context(), from(numbered(n, 1)), upTo(int64(n+1))), s.awaitClosed(t.Context()))
			}
			if err := write(0); err != nil {
				t.Fatal(err)
			}
			b.anew("out", 1)
			if err := write(1); errors.Is(err, cluster.ErrReplaced) != (pause == 0) {
				t.Errorf("got %v", err)
			}
		})
	}
}
