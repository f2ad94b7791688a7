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
	// lastCommit is how long the commits of a lane that is let go may take.
	lastCommit = 5 * time.Second
)

// committer commits the offsets of a lane that writes without transactions. It
// sends one commit at a time and gives none up that is on its way: brokers keep
// the one that comes last, and a commit that nobody waits for any more may come
// behind the next one and set the offsets back.
type committer struct {
	commit  func(context.Context, cluster.Owner, []cluster.Offset) error // sends, until it is answered
	owner   *owner
	epochs  *epochs
	broken  func(error)            // told once that commits fail for good
	settled func([]cluster.Offset) // told of offsets that are committed

	noted   chan struct{} // has an entry when there is something new
	closing chan struct{} // closed when the goroutine is to end after the commit in hand
	cancel  context.CancelFunc
	ended   chan struct{}

	mu      sync.Mutex
	pending pending
	err     error

	// Of the one that commits: the goroutine, and after it close.
	sending pending
	offsets []cluster.Offset
	moved   bool // something was committed
}

// start starts the goroutine that commits; close ends it.
func (k *committer) start() {
	var ctx context.Context
	ctx, k.cancel = context.WithCancel(context.Background())
	k.noted, k.closing, k.ended = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go k.commitLoop(ctx)
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
		case <-k.closing:
			return
		}
		timer.Reset(commitDelay)
		select {
		case <-timer.C:
		case <-k.closing:
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
			return k.commit(ctx, as, k.offsets)
		})
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case err != nil && ctx.Err() != nil: // the time of close is over, and its error follows
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

// close waits for the commit in hand, commits the positions that are left, and
// ends the goroutine. Both take lastCommit together at most.
func (k *committer) close() error {
	ctx, done := context.WithTimeout(context.Background(), lastCommit)
	defer done()
	close(k.closing)
	stop := context.AfterFunc(ctx, k.cancel)
	<-k.ended
	stop()
	k.cancel()
	return k.commitNoted(ctx)
}
