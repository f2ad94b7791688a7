package kafka

import (
	"errors"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestPartitionComesBack: a partition that leaves while its positions are asked
// for, and comes back, joins once, and from where it stands now. A lane that
// was opened with it begins again.
func TestPartitionComesBack(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.put("in", 1, numbered(0, 10))
	src := b.source(b.connect(nil), SourceOptions{Topic: "in", Group: "g"})
	h := newLaneServer(src, 0, fixedOwner(cluster.NoMember("g")), nil, nil)
	h.addPartitions([]heldPartition{{number: 0}})
	before := h.parts[0]
	h.forgetPartitions([]int32{0})
	h.addPartitions([]heldPartition{{number: 0}})
	now := h.parts[0]

	l := newLane(src, h.owner, h.held)
	h.serving = l
	if ready, missing := h.sortJoining(t.Context(), l, []heldPartition{before, now}); len(ready) != 1 || ready[0] != now ||
		len(missing) != 0 {
		t.Errorf("%v can join, %v are missing", ready, missing)
	}
	for _, p := range []heldPartition{before, now} {
		if err := h.joinReady(t.Context(), l, []heldPartition{p}); err != nil {
			t.Fatal(err)
		}
		if n := len(l.moves.joining); n != 0 != (p == now) {
			t.Errorf("after %v, %d partitions join", p, n)
		}
	}

	h.present(l, map[int32]heldPartition{0: now})
	if err := l.failure.reason(); err != nil {
		t.Errorf("a lane that has what it was opened with: %v", err)
	}
	h.present(l, map[int32]heldPartition{0: before})
	if err := l.failure.reason(); !errors.Is(err, pipeline.ErrLost) {
		t.Errorf("a lane that was opened before: %v", err)
	}
	h.joins.Wait()
}
