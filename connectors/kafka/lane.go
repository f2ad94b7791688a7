package kafka

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// lane is one serving of a share of the partitions. It implements
// pipeline.Lane.
type lane struct {
	source  *Source
	owner   *owner
	held    *pipeline.Assignment
	start   []pipeline.Position
	fetcher fetcher
	asked   time.Time // when the last fetch was over; of the reader
	// How many partitions a run with an end must have read, those of missing
	// topics too, and when the lane was opened.
	wanted int
	opened time.Time

	// How positions are committed: in the transactions of a Sink of the same
	// cluster, or by themselves, or in a bounded run without a group not at
	// all.
	transaction *transaction
	committer   *committer

	failure *failure
	moves   moves
	closed  chan struct{} // when the lane is let go

	mu     sync.Mutex
	places map[string]*partitionProgress
}

func newLane(s *Source, o *owner, held *pipeline.Assignment) *lane {
	l := &lane{
		source: s, owner: o, held: held, failure: newFailure(), closed: make(chan struct{}),
		places: make(map[string]*partitionProgress),
	}
	l.moves.init()
	return l
}

// beginAt sets the partitions of the lane and where they begin.
func (l *lane) beginAt(numbers []int32, positions []pipeline.Position, known []int32) {
	s, in := l.source, &l.fetcher
	in.topics, in.options = s.topics, &s.SourceOptions
	in.codecs.Limit = s.CodecMemory
	in.retry = s.cluster.NewRetry("read " + s.names.describe())
	in.epochs.hashOf = s.topics.hashOf
	in.held, in.losses, in.timing = l.held, &s.losses, s.timing
	for i, number := range numbers {
		p := l.newPartition(number, positions[i])
		in.addPart(p)
		l.addPlace(p)
		l.moves.durable[number] = p.next
		in.epochs.begin(p.place, known[i])
	}
	in.lookAtStops()
	l.start = positions
}

func (l *lane) newPartition(number int32, at pipeline.Position) *partition {
	in := l.source.topics.at(number)
	p := &partition{
		slot: number, topic: in.topic, number: in.number,
		place: at.Place, next: at.Next, handed: at.Next, stopAt: -1, choice: replicaChoice{replica: -1}, checked: -1,
		epochs: &l.fetcher.epochs,
	}
	p.reader.Codecs = &l.fetcher.codecs
	if l.source.untilOffsets != nil {
		p.stopAt = l.source.untilOffsets[number]
	}
	return p
}

// addPlace makes a partition visible from outside.
func (l *lane) addPlace(p *partition) {
	l.source.tracked.trackParts([]*partition{p})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.places[p.place] = p.status
}

func (l *lane) dropPlace(p *partition) {
	l.source.tracked.untrackParts([]*partition{p})
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.places, p.place)
}

// hasMore tells whether another batch follows the one whose position is about
// to be written.
func (l *lane) hasMore() bool { return l.fetcher.lent.Load() > 1 || l.fetcher.buffered.Load() }

// Assignment implements pipeline.Lane.
func (l *lane) Assignment() *pipeline.Assignment { return l.held }

// Start implements pipeline.Lane.
func (l *lane) Start() []pipeline.Position { return l.start }

// Read implements pipeline.Lane.
func (l *lane) Read(ctx context.Context, limit int) (*pipeline.Batch, error) {
	b, err := l.readBatch(ctx, limit)
	if err == nil || err == io.EOF {
		return b, err
	}
	return nil, markPassing(err)
}

func (l *lane) readBatch(ctx context.Context, limit int) (*pipeline.Batch, error) {
	ctx, stop := l.failure.bind(ctx)
	defer stop()
	for {
		if err := l.failure.reason(); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l.carryOutMoves()
		l.fetcher.noteChanges()
		b, ok := l.fetcher.nextBatch(limit)
		switch {
		case ok:
			return b, nil
		case l.fetcher.isFinished():
			if l.source.Until.Bounded() && !l.held.IsTrying() {
				if err := l.awaitMissing(ctx); err != nil {
					return nil, err
				}
				continue
			}
			// Every partition is parked, or has left, or is at the end of the
			// run.
			l.awaitChange(ctx)
			continue
		}
		if err := l.fetchMore(ctx, limit); err != nil {
			if reason := l.failure.reason(); reason != nil {
				return nil, reason
			}
			return nil, err
		}
	}
}

// awaitMissing returns io.EOF when all partitions of a run with an end were
// read. While the topic of one is missing it waits for that topic, and returns
// an error when it counts as deleted.
func (l *lane) awaitMissing(ctx context.Context) error {
	missed := l.wanted - len(l.fetcher.parts)
	if missed <= 0 {
		return io.EOF
	}
	until := l.opened.Add(missingTime)
	if !time.Now().Before(until) {
		return fmt.Errorf("%d partitions were not read: %w", missed, cluster.ErrNoTopic)
	}
	ctx, stop := context.WithDeadline(ctx, until)
	defer stop()
	l.awaitChange(ctx)
	return nil
}

// fetchMore fetches once. After a pause it first checks the identity of the
// topics: a fetch names the topic, and the answer could be records of another
// one that was made meanwhile.
func (l *lane) fetchMore(ctx context.Context, limit int) error {
	if err := l.source.topics.CheckIdentity(ctx, l.asked, l.source.timing.pause); err != nil {
		return err
	}
	woken, stop := l.bindWake(ctx)
	defer stop()
	err := l.fetcher.fetchOnce(woken, limit)
	l.asked = time.Now()
	if err != nil && woken.Err() != nil && ctx.Err() == nil {
		return nil // a partition is to join or to leave first
	}
	return err
}

// awaitChange waits until a parked partition may be tried, or one joins or
// leaves.
func (l *lane) awaitChange(ctx context.Context) {
	woken, stop := l.bindWake(ctx)
	defer stop()
	select {
	case <-l.held.Changed():
		l.fetcher.lookAtStops()
	case <-woken.Done():
	}
}

// Commit implements pipeline.Lane. Positions that go with a transaction were
// noted there by the Sink's Write.
func (l *lane) Commit(_ context.Context, done *pipeline.Progress) error {
	l.mu.Lock()
	for i := range done.Places {
		if s := l.places[done.Places[i].Place]; s != nil {
			s.position.Store(done.Places[i].Next)
		}
	}
	l.mu.Unlock()
	if err := l.source.saveCheckpoint(done); err != nil {
		return markPassing(err)
	}
	if l.committer == nil {
		return nil
	}
	return markPassing(l.committer.noteProgress(done))
}

// close commits the noted positions and lets the lane go, after it has been
// served. It tells whether anything that the lane did was committed.
func (l *lane) close() (moved bool, err error) {
	if l.committer != nil {
		err = l.committer.close()
		moved = l.committer.moved
	}
	if l.transaction != nil {
		l.transaction.stopLoop()
		moved = l.transaction.moved
	}
	l.fetcher.dropAnswer()
	for _, p := range l.fetcher.parts {
		l.fetcher.endStuck(p)
	}
	l.source.tracked.untrackParts(l.fetcher.parts)
	l.failure.set(errLaneClosed)
	close(l.closed)
	return moved, err
}
