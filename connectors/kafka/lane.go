package kafka

import (
	"context"
	"io"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// lane is one serving of a share of the partitions. It implements
// pipeline.Lane.
type lane struct {
	source  *Source
	owner   cluster.Owner
	share   share
	held    *pipeline.Assignment
	start   []pipeline.Position
	fetcher fetcher
	asked   time.Time // when the last fetch was over; of the reader

	// How positions are committed: in the transactions of a Sink of the same
	// cluster, or by themselves, or in a bounded run without a group not at
	// all.
	transaction *transaction
	committer   *committer

	failure failure
	places  map[string]*partitionProgress
}

func newLane(s *Source, o cluster.Owner, sh share, held *pipeline.Assignment) *lane {
	return &lane{source: s, owner: o, share: sh, held: held, places: make(map[string]*partitionProgress)}
}

// beginAt sets the positions where the lane begins.
func (l *lane) beginAt(positions []pipeline.Position) {
	s, in := l.source, &l.fetcher
	in.topic, in.options, in.maxBatch = s.topic, &s.SourceOptions, s.maxBatch
	in.codecs.Limit = s.CodecMemory
	in.retry = s.cluster.NewRetry("read topic " + s.Topic)
	for i, number := range l.share.partitions {
		p := &partition{
			number: number, index: i, place: positions[i].Place, next: positions[i].Next,
			stopAt: -1, replica: -1,
		}
		p.reader.Codecs = &in.codecs
		if s.untilOffsets != nil {
			p.stopAt = s.untilOffsets[number]
		}
		in.parts = append(in.parts, p)
	}
	in.held = l.held
	in.lookAtStops()
	s.tracked.trackParts(in.parts)
	for _, p := range in.parts {
		l.places[p.place] = p.status
	}
	l.start = positions
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
	ctx, stop := l.failure.watch(ctx)
	defer stop()
	for {
		if err := l.failure.reason(); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l.fetcher.noteChanges()
		b, ok := l.fetcher.nextBatch(limit)
		switch {
		case ok:
			return b, nil
		case l.fetcher.isFinished():
			if l.source.Until.Bounded() && !l.held.IsTrying() {
				return nil, io.EOF
			}
			// Every partition is parked, or at the end of the run.
			select {
			case <-l.held.Changed():
				l.fetcher.lookAtStops()
			case <-ctx.Done():
			}
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

// fetchMore fetches once. After a pause it first checks the topic's identity: a
// fetch names the topic, and the answer could be records of another one that
// was made meanwhile.
func (l *lane) fetchMore(ctx context.Context, limit int) error {
	if err := l.source.topic.CheckIdentity(ctx, l.asked, l.source.timing.pause); err != nil {
		return err
	}
	err := l.fetcher.fetchOnce(ctx, limit)
	l.asked = time.Now()
	return err
}

// Commit implements pipeline.Lane. Positions that go with a transaction were
// noted there by the Sink's Write.
func (l *lane) Commit(_ context.Context, done *pipeline.Progress) error {
	for i := range done.Places {
		if s := l.places[done.Places[i].Place]; s != nil {
			s.position.Store(done.Places[i].Next)
		}
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
	l.source.tracked.untrackParts(l.fetcher.parts)
	l.failure.set(errLaneClosed)
	return moved, err
}
