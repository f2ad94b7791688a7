package kafka

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
)

// serveBounded reads the records that existed when the Source was opened,
// without joining a group. With a group it first makes sure that nobody else
// uses its offsets: it commits where it starts, which brokers refuse while the
// group has members, and with transactions it takes over the ids of all lanes
// that a run may have, which fences a run that is still under way. Members that
// join later are noticed by questions: see transaction.confirm.
func (s *Source) serveBounded(ctx context.Context, serve serveFunc) error {
	partitions := s.chosenPartitions()
	o := fixedOwner(cluster.NoMember(s.Group))
	var lanes []*laneServer
	for _, share := range s.dealShares(partitions) {
		lanes = append(lanes, newLaneServer(s, share.number, o, share.partitions, serve))
	}
	if s.sink != nil {
		for n := range int(s.topics.PartitionCount()) {
			p := newProducer(s.sink.cluster, s.laneTransactionalID(n), s.timing.timeout)
			if err := p.initID(ctx, true); err != nil {
				return err
			}
			if n < len(lanes) {
				lanes[n].producer = p
			}
		}
	}
	if s.Group != "" {
		if err := s.claimOffsets(ctx, o, partitions); err != nil {
			return err
		}
	}
	if err := serveAll(ctx, lanes); err != nil || ctx.Err() != nil {
		return err
	}
	if err := s.finishCheckpoint(); err != nil {
		return err
	}
	if s.Compares {
		return nil
	}
	return s.losses.result()
}

// serveAll serves the lanes and returns when all have ended, with their errors.
func serveAll(ctx context.Context, lanes []*laneServer) error {
	var all sync.WaitGroup
	errs := make([]error, len(lanes))
	for i, h := range lanes {
		all.Go(func() { errs[i] = h.serveLanes(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func isFresh(int32) bool { return true }

// claimOffsets commits the positions where the run starts. Partitions that had
// no offset get one.
func (s *Source) claimOffsets(ctx context.Context, o *owner, partitions []int32) error {
	positions, known, err := s.findPositions(ctx, o, partitions, isFresh)
	if err != nil {
		return err
	}
	offsets := make([]cluster.Offset, len(positions))
	for i := range positions {
		metadata, err := cluster.AppendMetadata(nil, s.topics.at(partitions[i]).topic.SourceHash(), &positions[i])
		if err != nil {
			return err
		}
		offsets[i] = s.topics.offsetOf(partitions[i], positions[i].Next)
		offsets[i].LeaderEpoch, offsets[i].Metadata = known[i], string(metadata)
	}
	return s.cluster.CommitOffsets(ctx, o.identity(), offsets)
}

// chosenPartitions returns the partitions that a run reads. A bounded one
// leaves out those that were added after it has found the ends.
func (s *Source) chosenPartitions() []int32 {
	if s.Partitions != nil {
		return slices.Compact(slices.Sorted(slices.Values(s.Partitions)))
	}
	all := s.topics.Partitions()
	if s.Until.Bounded() {
		all = slices.DeleteFunc(all, func(slot int32) bool { return int(slot) >= len(s.untilOffsets) })
	}
	return all
}
