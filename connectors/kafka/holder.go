package kafka

import (
	"context"
	"errors"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// holder holds a share of the partitions for as long as it is ours, and serves
// it as one lane after the other.
type holder struct {
	source   *Source
	owner    cluster.Owner
	share    share
	serve    serveFunc
	producer *producer // of the share's transactions; begun already in a bounded run
	held     *pipeline.Assignment
	began    bool // a lane was opened
}

// hold serves the share's lane until its places are not ours any more, or the
// bounded run has ended.
func (h *holder) hold(ctx context.Context) error {
	partitions := int32(len(h.share.partitions))
	h.source.held.Add(partitions)
	defer h.source.held.Add(-partitions)
	h.held = pipeline.NewAssignment(h.share.places(h.source.Topic)...)
	err := h.held.Hold(ctx, h.source.Until.Bounded(), h.once)
	if ctx.Err() != nil {
		return h.atEnd(err)
	}
	return err
}

// atEnd is what an error means that came after the lane was told to end.
func (h *holder) atEnd(err error) error {
	if !h.source.Until.Bounded() || errors.Is(err, pipeline.ErrLost) || errors.Is(err, context.Canceled) {
		return nil // what is not committed is read again
	}
	return err
}

// once serves the lane once. A lane that cannot be opened is served as one that cannot be read, so that the
// pipeline knows of it.
func (h *holder) once(ctx context.Context) error {
	l := newLane(h.source, h.owner, h.share, h.held)
	err := h.open(ctx, l)
	if err != nil && ctx.Err() != nil {
		_, err := l.close()
		return err
	}
	if err != nil {
		l.fail(err)
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

// open finds out where a lane begins. With transactions it first ends what the lane's last owner left open,
// since that may still move the committed offsets.
func (h *holder) open(ctx context.Context, l *lane) error {
	s := h.source
	if s.sink != nil {
		if err := h.begin(ctx); err != nil {
			return lose(ctx, err)
		}
	}
	positions, err := s.positions(ctx, h.owner, h.share.partitions)
	if err != nil {
		return lose(ctx, err)
	}
	l.begin(positions)
	switch {
	case s.sink != nil:
		l.transaction = startTransaction(h.producer, h.owner, s.Topic, s.timing.transaction, l.waiting, l.fail)
	case h.owner.Group != "":
		l.committer = startCommitter(s.cluster, h.owner, s.Topic, l.fail)
	}
	return nil
}

// begin makes the producer ready for a new lane.
func (h *holder) begin(ctx context.Context) error {
	again := h.began
	h.began = true
	if h.producer == nil {
		h.producer = newProducer(h.source.sink.cluster, h.source.transactionalID(h.share.number), h.source.timing.timeout)
		return h.producer.begin(ctx, true)
	}
	if !again && h.producer.id >= 0 {
		return nil
	}
	return h.producer.begin(ctx, h.owner.Generation >= 0 || h.producer.id < 0)
}
