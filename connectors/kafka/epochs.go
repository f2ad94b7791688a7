package kafka

import (
	"context"
	"fmt"
	"sync"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// epochs are what committed offsets say of their source: a hash of it, and the
// leader epochs of the records of a lane that have been read, by partition. A
// committed offset has the epoch of the last record before it: by that a leader
// knows whether its log still has what was read. The reader adds to them, and
// commits look them up. A nil *epochs knows nothing.
type epochs struct {
	source cluster.SourceHash

	mu  sync.Mutex
	all map[int32][]epochStart
}

// epochStart says that records from an offset on have an epoch; -1: it is not
// known.
type epochStart struct {
	epoch int32
	first int64
}

// sourceHash returns what stands for the source in committed offsets.
func (e *epochs) sourceHash() (h cluster.SourceHash) {
	if e != nil {
		h = e.source
	}
	return h
}

// begin sets the epoch of everything before an offset.
func (e *epochs) begin(partition int32, epoch int32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all == nil {
		e.all = make(map[int32][]epochStart)
	}
	e.all[partition] = append(e.all[partition][:0], epochStart{epoch: epoch})
}

// note notes the epoch of a batch that begins at an offset.
func (e *epochs) note(partition int32, epoch int32, first int64) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	list := e.all[partition]
	if n := len(list); n > 0 && list[n-1].epoch == epoch || epoch < 0 {
		return
	}
	e.all[partition] = append(list, epochStart{epoch: epoch, first: first})
}

// at returns the epoch of the record before an offset. Epochs before that one
// are forgotten with forget.
func (e *epochs) at(partition int32, next int64, forget bool) int32 {
	if e == nil {
		return -1
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	list := e.all[partition]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].first < next || i == 0 {
			if forget {
				e.all[partition] = append(list[:0], list[i:]...)
				return e.all[partition][0].epoch
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
	var read []cluster.ReadUpTo
	var parts []*partition
	for _, p := range in.parts {
		leader := in.topic.Leader(p.number)
		if leader.Epoch == p.checked || leader.Broker < 0 || p.isFinished() {
			continue
		}
		if epoch := in.epochs.at(p.number, p.next, false); epoch >= 0 {
			read = append(read, cluster.ReadUpTo{Partition: p.number, Next: p.next, LeaderEpoch: epoch})
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
		asked[i] = in.topic.Leader(p.number).Epoch
	}
	cuts, err := in.topic.FindCuts(ctx, read)
	if err != nil {
		return err
	}
	for i, p := range parts {
		if cuts[i] >= 0 {
			if err := in.topic.ConfirmIdentity(ctx); err != nil {
				return err
			}
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
	var read []cluster.ReadUpTo
	var at []int
	for i := range out {
		if out[i].Next >= 0 && known[i] >= 0 {
			read = append(read, cluster.ReadUpTo{Partition: partitions[i], Next: out[i].Next, LeaderEpoch: known[i]})
			at = append(at, i)
		}
	}
	if len(read) == 0 {
		return nil
	}
	cuts, err := s.topic.FindCuts(ctx, read)
	if err != nil {
		return err
	}
	for n, i := range at {
		if cuts[n] < 0 {
			continue
		}
		if err := s.topic.ConfirmIdentity(ctx); err != nil {
			return err
		}
		s.losses.noteCut(out[i].Place, cuts[n], out[i].Next)
		s.Log.Warn("kafka: the log was cut, and other records stand there now: reading goes on where it was cut",
			"partition", out[i].Place, "from", out[i].Next, "back_to", cuts[n])
		out[i].Next, out[i].Last = cuts[n], -1
	}
	return nil
}
