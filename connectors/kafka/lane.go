package kafka

import (
	"context"
	"io"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// lane is one serving of a share of the partitions. It implements pipeline.Lane.
type lane struct {
	source *Source
	owner  cluster.Owner
	share  share
	held   *pipeline.Assignment
	start  []pipeline.Position
	intake intake
	asked  time.Time // when the last fetch was over; of the reader

	// How positions are committed: in the transactions of a Sink of the same cluster, or by themselves, or in
	// a bounded run without a group not at all.
	transaction *transaction
	committer   *committer

	broken context.Context // done when the lane cannot go on
	fail   context.CancelCauseFunc
	places map[string]*status
}

func newLane(s *Source, o cluster.Owner, sh share, held *pipeline.Assignment) *lane {
	l := &lane{source: s, owner: o, share: sh, held: held, places: make(map[string]*status)}
	l.broken, l.fail = context.WithCancelCause(context.Background())
	return l
}

// begin sets the lane to where it begins.
func (l *lane) begin(positions []pipeline.Position) {
	s, in := l.source, &l.intake
	in.topic, in.options, in.maxBatch = s.topic, &s.SourceOptions, s.maxBatch
	in.retry = s.cluster.NewRetry("read topic " + s.Topic)
	for i, number := range l.share.partitions {
		p := &partition{
			number: number, index: i, place: positions[i].Place, next: positions[i].Next, end: -1, replica: -1,
		}
		if s.ends != nil {
			p.end = s.ends[number]
		}
		in.parts = append(in.parts, p)
	}
	in.held = l.held
	in.lookAtStops()
	s.statuses.own(in.parts)
	for _, p := range in.parts {
		l.places[p.place] = p.status
	}
	l.start = positions
}

// failure is why the lane cannot go on; nil if it can.
func (l *lane) failure() error {
	if l.broken.Err() == nil {
		return nil
	}
	return context.Cause(l.broken)
}

// waiting tells whether anything follows the batch whose position is about to be written.
func (l *lane) waiting() bool { return l.intake.lent.Load() > 1 || l.intake.buffered.Load() }

// Assignment implements pipeline.Lane.
func (l *lane) Assignment() *pipeline.Assignment { return l.held }

// Start implements pipeline.Lane.
func (l *lane) Start() []pipeline.Position { return l.start }

// Read implements pipeline.Lane.
func (l *lane) Read(ctx context.Context, limit int) (*pipeline.Batch, error) {
	b, err := l.read(ctx, limit)
	if err == nil || err == io.EOF {
		return b, err
	}
	return nil, markPassing(err)
}

func (l *lane) read(ctx context.Context, limit int) (*pipeline.Batch, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.broken, cancel)()
	for {
		if err := l.failure(); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l.intake.noteChanges()
		b := l.intake.take(limit)
		switch {
		case b != nil:
			return b, nil
		case l.intake.finished():
			if l.source.Until.Bounded() && !l.held.IsTrying() {
				return nil, io.EOF
			}
			// Every partition is parked, or at the end of the run.
			select {
			case <-l.held.Changed():
				l.intake.lookAtStops()
			case <-ctx.Done():
			}
			continue
		}
		if err := l.fetch(ctx, limit); err != nil {
			if failure := l.failure(); failure != nil {
				return nil, failure
			}
			return nil, err
		}
	}
}

// fetch asks for more. It looks at the topic after a pause: a fetch names it, and one that was deleted and made again
// meanwhile would be answered with records of another one.
func (l *lane) fetch(ctx context.Context, limit int) error {
	if err := l.source.topic.CheckIdentity(ctx, l.asked, l.source.timing.pause); err != nil {
		return err
	}
	err := l.intake.fetch(ctx, limit)
	l.asked = time.Now()
	return err
}

// Commit implements pipeline.Lane. What goes with a transaction has been noted there by the Sink's Write.
func (l *lane) Commit(_ context.Context, done *pipeline.Progress) error {
	for i := range done.Places {
		if s := l.places[done.Places[i].Place]; s != nil {
			s.position.Store(done.Places[i].Next)
		}
	}
	if l.committer == nil {
		return nil
	}
	return markPassing(l.committer.note(done))
}

// close commits what is noted and lets the lane go. Serving it has ended. It tells whether anything that the lane
// did was committed.
func (l *lane) close() (moved bool, err error) {
	if l.committer != nil {
		err = l.committer.close()
		moved = l.committer.moved
	}
	if l.transaction != nil {
		l.transaction.release()
		moved = l.transaction.moved
	}
	l.intake.drop()
	l.source.statuses.disown(l.intake.parts)
	l.fail(nil)
	return moved, err
}
