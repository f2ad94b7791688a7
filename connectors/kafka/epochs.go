package kafka

import (
	"context"
	"fmt"
	"sync"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// epochs are what committed offsets say of their source: a hash of the topic,
// and the leader epochs of the records of a lane that have been read, by place.
// A committed offset has the epoch of the last record before it: by that a
// leader knows whether its log still has what was read. The reader adds to
// them, and commits look them up. A nil *epochs knows nothing.
type epochs struct {
	hashOf func(topic string) cluster.SourceHash

	mu  sync.Mutex
	all map[string][]epochStart
}

// epochStart says that records from an offset on have an epoch; -1: it is not
// known.
type epochStart struct {
	epoch int32
	first int64
}

// sourceHash returns what stands for a topic in committed offsets.
func (e *epochs) sourceHash(topic string) (h cluster.SourceHash) {
	if e != nil && e.hashOf != nil {
		h = e.hashOf(topic)
	}
	return h
}

// begin sets the epoch of everything before an offset.
func (e *epochs) begin(place string, epoch int32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all == nil {
		e.all = make(map[string][]epochStart)
	}
	e.all[place] = append(e.all[place][:0], epochStart{epoch: epoch})
}

// note notes the epoch of a batch that begins at an offset.
func (e *epochs) note(place string, epoch int32, first int64) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	list := e.all[place]
	if n := len(list); n > 0 && list[n-1].epoch == epoch || epoch < 0 {
		return
	}
	e.all[place] = append(list, epochStart{epoch: epoch, first: first})
}

// at returns the epoch of the record before an offset. Epochs before that one
// are forgotten with forget.
func (e *epochs) at(place string, next int64, forget bool) int32 {
	if e == nil {
		return -1
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	list := e.all[place]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].first < next || i == 0 {
			if forget {
				e.all[place] = append(list[:0], list[i:]...)
				return e.all[place][0].epoch
			}
			return list[i].epoch
		}
	}
	return -1
}

// checkLeaders asks the leaders that have changed whether their logs still have
// what was read, before anything that they answer is used. If one does not, the
// lane is lost, and begins again where that log was cut.
func (in *fetcher) checkLeaders(ctx context.Context) error {
	var read []readUpTo
	var parts []*partition
	for _, p := range in.parts {
		leader := p.topic.Leader(p.number)
		if leader.Epoch == p.checked || leader.Broker < 0 || p.isFinished() || p.topic.IsReplaced() {
			continue
		}
		if epoch := in.epochs.at(p.place, p.next, false); epoch >= 0 {
			read = append(read, readUpTo{slot: p.slot, next: p.next, epoch: epoch})
			parts = append(parts, p)
		} else {
			p.checked = leader.Epoch
		}
	}
	if len(read) == 0 {
		return nil
	}
	asked := make([]int32, len(parts))
	for i, p := range parts {
		asked[i] = p.topic.Leader(p.number).Epoch
	}
	cuts, err := in.topics.FindCuts(ctx, read)
	if err != nil {
		return err
	}
	for i, p := range parts {
		if cuts[i] >= 0 {
			return fmt.Errorf("%w: %s was cut at %d and had been read up to %d",
				pipeline.ErrLost, p.place, cuts[i], p.next)
		}
		p.checked = asked[i]
	}
	return nil
}

// goBackToCuts moves positions back to where logs were cut since the positions
// were committed: other records stand there now.
func (s *Source) goBackToCuts(ctx context.Context, partitions []int32, out []pipeline.Position, known []int32) error {
	var read []readUpTo
	var at []int
	for i := range out {
		if out[i].Next >= 0 && known[i] >= 0 && !s.topics.at(partitions[i]).topic.IsReplaced() {
			read = append(read, readUpTo{slot: partitions[i], next: out[i].Next, epoch: known[i]})
			at = append(at, i)
		}
	}
	if len(read) == 0 {
		return nil
	}
	cuts, err := s.topics.FindCuts(ctx, read)
	if err != nil {
		return err
	}
	for n, i := range at {
		if cuts[n] < 0 {
			continue
		}
		s.losses.noteCut(out[i].Place, cuts[n], out[i].Next)
		s.Log.Warn("kafka: the log was cut, and other records stand there now: reading goes on where it was cut",
			"partition", out[i].Place, "from", out[i].Next, "back_to", cuts[n])
		out[i].Next, out[i].Last = cuts[n], -1
	}
	return nil
}
