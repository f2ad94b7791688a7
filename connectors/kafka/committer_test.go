package kafka

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// heldCommits is a coordinator that answers the first commit when it is told
// to, and every other one at once.
type heldCommits struct {
	answer chan struct{}

	mu   sync.Mutex
	next []int64 // of the commits that came, in their order
}

func (h *heldCommits) commit(ctx context.Context, _ cluster.Owner, offsets []cluster.Offset) error {
	h.mu.Lock()
	h.next = append(h.next, offsets[0].Next)
	first := len(h.next) == 1
	h.mu.Unlock()
	if !first {
		return context.Cause(ctx)
	}
	select {
	case <-h.answer:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (h *heldCommits) seen() []int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.next)
}

// heldCommitter starts a committer whose first commit, of offset 70, is on its
// way, and which has noted offset 100.
func heldCommitter(t *testing.T, h *heldCommits) *committer {
	t.Helper()
	k := &committer{
		commit: h.commit, owner: fixedOwner(cluster.NoMember("g")), epochs: &epochs{},
		broken: func(err error) { t.Error(err) }, settled: func([]cluster.Offset) {},
	}
	k.start()
	for _, next := range []int64{70, 100} {
		done := &pipeline.Progress{Places: []pipeline.Position{{Place: "in/0", Next: next}}}
		if err := k.noteProgress(done); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * commitDelay) // of the bubble: nothing moves meanwhile but the committer
	}
	return k
}

// TestCommitInHand: a lane that is let go while a commit is on its way waits for
// the answer before it commits what is left. Brokers could take the two in the
// other order, and the group would go back.
func TestCommitInHand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &heldCommits{answer: make(chan struct{})}
		k := heldCommitter(t, h)
		closed := make(chan error, 1)
		go func() { closed <- k.close() }()
		synctest.Wait()
		if got := h.seen(); !slices.Equal(got, []int64{70}) {
			t.Errorf("commits while the first one is on its way: %v", got)
		}
		close(h.answer)
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if got := h.seen(); !slices.Equal(got, []int64{70, 100}) || !k.moved {
			t.Errorf("commits: %v, moved %t", got, k.moved)
		}
	})
}

// TestCommitNeverAnswered: a commit that nobody answers holds the end of a lane
// up for its time only, which ends with an error.
func TestCommitNeverAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := heldCommitter(t, &heldCommits{})
		if err := k.close(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("closed with %v", err)
		}
	})
}
