package kafka

import (
	"context"
	"errors"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/losses"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// laneServer serves a share of the partitions as one lane after the other, for
// as long as the share is ours.
type laneServer struct {
	source   *Source
	owner    cluster.Owner
	share    share
	serve    serveFunc
	producer *producer // of the share's transactions; begun already in a bounded run
	lost     losses.Limit
}

// serveLanes serves the share's lane, and serves it again whenever it is lost.
// A lane that cannot go on is parked until ctx is done; that of a bounded run
// ends.
func (h *laneServer) serveLanes(ctx context.Context) error {
	bounded := h.source.Until.Bounded()
	for ctx.Err() == nil {
		moved, err := h.serveOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return h.endError(err)
		case errors.Is(err, pipeline.ErrLost):
			_ = h.lost.Wait(ctx, err, moved)
		case bounded:
			return err
		default:
			<-ctx.Done()
		}
	}
	return nil
}

// endError returns the error to report after a lane was told to end.
func (h *laneServer) endError(err error) error {
	if !h.source.Until.Bounded() || errors.Is(err, pipeline.ErrLost) || errors.Is(err, context.Canceled) {
		return nil // messages that are not committed are read again
	}
	return err
}

// serveOnce serves one lane. A lane that cannot be opened is served as one that
// cannot be read, so that the pipeline hears of it. Moved tells whether
// anything that the lane did was committed.
func (h *laneServer) serveOnce(ctx context.Context) (moved bool, err error) {
	l := newLane(h.source, h.owner, h.share)
	err = h.openLane(ctx, l)
	if err != nil && ctx.Err() != nil {
		return l.close()
	}
	if err != nil {
		l.failure.set(err)
	}
	if o := h.source.Observer; o != nil {
		ended := o.ServeLane(l.reportPlaces)
		defer func() { ended(err) }()
	}
	err = h.serve(ctx, l)
	moved, closing := l.close()
	if closing == nil {
		return moved, err
	}
	h.source.Log.Warn("kafka: offsets were not committed", "topic", h.source.Topic, "error", closing)
	if err == nil || errors.Is(closing, pipeline.ErrLost) {
		return moved, errors.Join(closing, err)
	}
	return moved, err
}

// openLane finds the positions where a lane begins. With transactions it first
// ends the transaction that the lane's last owner left open, since that may
// still move the committed offsets.
func (h *laneServer) openLane(ctx context.Context, l *lane) error {
	s := h.source
	if err := h.lost.Exceeded(); err != nil {
		return err
	}
	if s.sink != nil {
		if err := h.beginProducer(ctx); err != nil {
			return asLost(ctx, err)
		}
	}
	positions, err := s.findPositions(ctx, h.owner, h.share.partitions)
	if err != nil {
		return asLost(ctx, err)
	}
	l.beginAt(positions)
	switch {
	case s.sink != nil:
		l.transaction = &transaction{
			producer: h.producer, owner: h.owner, topic: s.Topic, length: s.timing.transaction,
			waiting: l.hasMore, broken: l.failure.set, observer: s.sink.Observer,
		}
		l.transaction.startLoop()
	case h.owner.Group != "":
		l.committer = startCommitter(s.cluster, h.owner, s.Topic, l.failure.set)
	}
	return nil
}

// beginProducer makes the producer ready for a new lane.
func (h *laneServer) beginProducer(ctx context.Context) error {
	if s := h.source; h.producer == nil {
		h.producer = newProducer(s.sink.cluster, s.laneTransactionalID(h.share.number), s.timing.timeout)
		return h.producer.initID(ctx, true)
	}
	if h.lost.Row() == 0 && h.producer.id >= 0 {
		return nil
	}
	return h.producer.initID(ctx, h.owner.Generation >= 0 || h.producer.id < 0)
}
