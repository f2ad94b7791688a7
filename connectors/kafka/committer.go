package kafka

import (
	"context"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

const (
	// commitDelay is how long a noted offset waits for others. A Lane promises
	// 100 ms, and the request needs some of them.
	commitDelay = 80 * time.Millisecond
	// lastCommit is how long the commit of a lane that is let go may take.
	lastCommit = 5 * time.Second
)

// committer commits the offsets of a lane that writes without transactions.
type committer struct {
	cluster *cluster.Cluster
	owner   *owner
	epochs  *epochs
	broken  func(error)            // told once that commits fail for good
	settled func([]cluster.Offset) // told of offsets that are committed

	noted chan struct{} // has an entry when there is something new
	stop  context.CancelFunc
	ended chan struct{}

	mu      sync.Mutex
	pending pending
	err     error

	// Of the one that commits: the goroutine, and after it close.
	sending pending
	offsets []cluster.Offset
	moved   bool // something was committed
}

// startCommitter starts the goroutine that commits; close ends it.
func startCommitter(
	c *cluster.Cluster, o *owner, e *epochs, broken func(error), settled func([]cluster.Offset),
) *committer {
	ctx, stop := context.WithCancel(context.Background())
	k := &committer{
		cluster: c, owner: o, epochs: e, broken: broken, settled: settled,
		noted: make(chan struct{}, 1), stop: stop, ended: make(chan struct{}),
	}
	go k.commitLoop(ctx)
	return k
}

// noteProgress notes the positions of done for the next commit.
func (k *committer) noteProgress(done *pipeline.Progress) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return k.err
	}
	k.pending.addProgress(done)
	select {
	case k.noted <- struct{}{}:
	default:
	}
	return nil
}

func (k *committer) commitLoop(ctx context.Context) {
	defer close(k.ended)
	timer := time.NewTimer(commitDelay)
	defer timer.Stop()
	for {
		select {
		case <-k.noted:
		case <-ctx.Done():
			return
		}
		timer.Reset(commitDelay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		if err := k.commitNoted(ctx); err != nil && ctx.Err() == nil {
			k.broken(err)
			return
		}
	}
}

// commitNoted commits the noted positions.
func (k *committer) commitNoted(ctx context.Context) error {
	k.mu.Lock()
	err := k.err
	k.pending, k.sending = k.sending, k.pending // the one that comes is empty
	k.mu.Unlock()
	if err != nil || k.sending.isEmpty() {
		return err
	}
	if k.offsets, err = k.sending.appendOffsets(k.offsets[:0], k.epochs); err == nil {
		err = k.owner.commitAs(ctx, k.offsets, func(as cluster.Owner) error {
			return k.cluster.CommitOffsets(ctx, as, k.offsets)
		})
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case err != nil && ctx.Err() != nil: // close tries once more
		k.pending.addOlder(&k.sending)
	case err != nil:
		k.err = asLost(ctx, err)
		err = k.err
	default:
		k.moved = true
		k.settled(k.offsets)
	}
	k.sending.clearMoved()
	return err
}

// close commits the positions that are left and ends the goroutine.
func (k *committer) close() error {
	k.stop()
	<-k.ended
	ctx, cancel := context.WithTimeout(context.Background(), lastCommit)
	defer cancel()
	return k.commitNoted(ctx)
}
