package kafka

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/membership"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestNoCommitOfOthers: an owner that is no member any more, or does not hold a
// partition, sends no commit. Brokers would take the first for a commit of
// somebody who uses the group without members.
func TestNoCommitOfOthers(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	src := b.source(b.connect(nil), SourceOptions{Topic: "in", Group: "g"})
	guest := &guest{}
	m, err := membership.New(src.memberOptions(guest))
	if err != nil {
		t.Fatal(err)
	}
	o := &owner{member: m}
	commit := func(topic string) (sent bool, err error) {
		err = o.commitAs(t.Context(), []cluster.Offset{{Topic: topic, Next: 1}}, func(cluster.Owner) error {
			sent = true
			return nil
		})
		return sent, err
	}
	if sent, err := commit("in"); sent || !errors.Is(err, pipeline.ErrLost) {
		t.Errorf("before the first round: sent %t, %v", sent, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	b.eventually("the partition", func() bool {
		guest.mu.Lock()
		defer guest.mu.Unlock()
		return guest.held == 1
	})
	if sent, err := commit("in"); !sent || err != nil {
		t.Errorf("of its own: sent %t, %v", sent, err)
	}
	if sent, err := commit("others"); sent || !errors.Is(err, pipeline.ErrLost) {
		t.Errorf("of another's: sent %t, %v", sent, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestLostLaneCommitsNothing: the transaction of a lane that was lost is
// aborted, although its owner could commit offsets.
func TestLostLaneCommitsNothing(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	s := newStep(b, time.Hour, cluster.NoMember("g"))
	s.more = true
	s.lost = func() error { return fmt.Errorf("%w: partitions are another's", pipeline.ErrLost) }
	if err := s.good.Write(t.Context(), from(numbered(0, 1)), upTo(1)); err != nil {
		t.Fatal(err)
	}
	if err := s.good.Close(t.Context()); !errors.Is(err, pipeline.ErrLost) {
		t.Errorf("got %v", err)
	}
	s.stopLoop()
	if n, at := s.visible("out"), b.offsetOf("g", "in", 0); n != 0 || at != -1 {
		t.Errorf("%d messages are visible, and the group is at %d", n, at)
	}
}
