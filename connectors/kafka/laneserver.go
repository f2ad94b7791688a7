package kafka

import (
	"context"
	"errors"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
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
	held     *pipeline.Assignment
	began    bool // a lane was opened
}

// serveLanes serves the share's lane until its places are not ours any more, or
// the bounded run has ended.
func (h *laneServer) serveLanes(ctx context.Context) error {
	partitions := int32(len(h.share.partitions))
	h.source.held.Add(partitions)
	defer h.source.held.Add(-partitions)
	h.held = pipeline.NewAssignment(h.share.places(h.source.Topic)...)
	err := h.held.Hold(ctx, h.source.Until.Bounded(), h.serveOnce)
	if ctx.Err() != nil {
		return h.endError(err)
	}
	return err
}

// endError returns the error to report after a lane was told to end.
func (h *laneServer) endError(err error) error {
	if !h.source.Until.Bounded() || errors.Is(err, pipeline.ErrLost) || errors.Is(err, context.Canceled) {
		return nil // messages that are not committed are read again
	}
	return err
}

// serveOnce serves one lane. A lane that cannot be opened is served as one that
// cannot be read, so that the pipeline hears of it.
func (h *laneServer) serveOnce(ctx context.Context) (err error) {
	l := newLane(h.source, h.owner, h.share, h.held)
	err = h.openLane(ctx, l)
	if err != nil && ctx.Err() != nil {
		_, err = l.close()
		return err
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
	if moved {
		h.held.NoteMoved()
	}
	if closing == nil {
		return err
	}
	h.source.Log.Warn("kafka: offsets were not committed", "topic", h.source.Topic, "error", closing)
	if err == nil || errors.Is(closing, pipeline.ErrLost) {
		return errors.Join(closing, err)
	}
	return err
}

// openLane finds the positions where a lane begins. With transactions it first
// ends the transaction that the lane's last owner left open, since that may
// still move the committed offsets.
func (h *laneServer) openLane(ctx context.Context, l *lane) error {
	s := h.source
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
	again := h.began
	h.began = true
	if s := h.source; h.producer == nil {
		h.producer = newProducer(s.sink.cluster, s.laneTransactionalID(h.share.number), s.timing.timeout)
		return h.producer.initID(ctx, true)
	}
	if !again && h.producer.id >= 0 {
		return nil
	}
	return h.producer.initID(ctx, h.owner.Generation >= 0 || h.producer.id < 0)
}
