package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// outlet is a destination as one writer sees it.
type outlet struct {
	to     *destination
	chains map[int32]*chain
	partitioner
	wrote time.Time // when the last write to it began
	err   error     // why it takes nothing in this write
	used  bool      // in this write
}

// outletTable is the outlets of a writer, by the topic that messages come from.
type outletTable struct {
	byTopic map[string]*outlet
	place   string // of the last message
	recent  *outlet
	used    []*outlet // in this write
	stale   []*destination
}

// findOutlet returns the outlet for messages of a place. It is nil if the
// destination is not open.
func (w *writer) findOutlet(place string) *outlet {
	t := &w.outlets
	if t.recent != nil && place == t.place {
		return t.recent
	}
	if out := t.byTopic[w.sink.feedOf(place)]; out != nil {
		t.place, t.recent = place, out
		return out
	}
	return nil
}

// openOutlets opens the destinations of messages, before anything is written.
// Of one that cannot be opened the outlet has the reason.
func (w *writer) openOutlets(ctx context.Context, msgs []pipeline.Message) error {
	t := &w.outlets
	for _, out := range t.used {
		out.used = false
	}
	t.used, t.stale = t.used[:0], t.stale[:0]
	for i := range msgs {
		place := msgs[i].Origin.Place
		out := w.findOutlet(place)
		if out == nil || out.to == nil {
			out = w.openOutlet(ctx, place)
		}
		if out.used {
			continue
		}
		out.used = true
		t.used = append(t.used, out)
		if out.to == nil {
			continue
		}
		// A produce names the topic. One that was deleted and made again would
		// take messages whose predecessors it does not have.
		if time.Since(out.wrote) >= w.sink.pause || !out.to.MissingSince().IsZero() {
			t.stale = append(t.stale, out.to)
		}
		out.wrote = time.Now()
		out.beginWrite()
	}
	if len(t.stale) > 0 {
		if err := w.sink.lookAtDestinations(ctx, t.stale); err != nil {
			return err
		}
	}
	w.judgeOutlets()
	return nil
}

// openOutlet makes the outlet for the messages of a place.
func (w *writer) openOutlet(ctx context.Context, place string) *outlet {
	t, topic := &w.outlets, w.sink.feedOf(place)
	out := t.byTopic[topic]
	if out != nil && out.used {
		return out // it has been tried in this write
	}
	if out == nil {
		out = &outlet{chains: make(map[int32]*chain)}
		if t.byTopic == nil {
			t.byTopic = make(map[string]*outlet)
		}
		t.byTopic[topic] = out
	}
	to, err := w.sink.destinationFor(ctx, topic, true)
	if err != nil {
		out.err = err
		return out
	}
	out.to, out.err = to, nil
	out.partitioner = partitioner{
		by: w.sink.Partition, partitions: to.PartitionCount(), fold: w.sink.DeadLetters, kafka: w.failure != nil,
	}
	return out
}

// judgeOutlets notes which destinations of a template take nothing.
func (w *writer) judgeOutlets() {
	if !w.sink.names.IsMapped() {
		return
	}
	for _, out := range w.outlets.used {
		switch {
		case out.to == nil:
		case out.to.IsReplaced():
			out.err = fmt.Errorf("kafka topic %s: %w", out.to.Name(), cluster.ErrReplaced)
		case w.sink.isDeleted(out.to):
			out.err = errNoDestination(out.to)
		default:
			out.err = nil
		}
	}
}
