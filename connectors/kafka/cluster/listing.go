package cluster

import (
	"context"
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// ListOffsets asks for the offsets that belong to times (wire.Earliest and
// wire.Latest are two), for each of partitions. The answer has one row per
// time. Latest is behind the last record that is committed.
func (t *Topic) ListOffsets(ctx context.Context, partitions []int32, times ...int64) ([][]int64, error) {
	rows := make([][]int64, len(times))
	for i, at := range times {
		row, err := t.offsetsAt(ctx, partitions, at, true)
		if err != nil {
			return nil, err
		}
		rows[i] = row
	}
	return rows, nil
}

// ListEnds returns the high watermarks of partitions: the offset behind the
// last record that all replicas have, whether its transaction has ended or not.
func (t *Topic) ListEnds(ctx context.Context, partitions []int32) ([]int64, error) {
	return t.offsetsAt(ctx, partitions, wire.Latest, false)
}

func (t *Topic) offsetsAt(ctx context.Context, partitions []int32, at int64, committed bool) ([]int64, error) {
	found := make([]int64, len(partitions))
	err := t.askLeaders(ctx, "offsets", partitions, func(leader int32, open *[]int) error {
		return t.listAt(ctx, leader, partitions, open, at, committed, found)
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// askLeaders asks the leaders of partitions until all have answered. Ask asks
// one of them for its partitions among those at the indexes in open, and
// removes the answered ones from it. The name of the question stands in errors
// and the log.
func (t *Topic) askLeaders(
	ctx context.Context, name string, partitions []int32, ask func(leader int32, open *[]int) error,
) error {
	open := make([]int, len(partitions)) // indexes of those without an answer
	for i := range open {
		open[i] = i
	}
	r := t.cluster.NewRetry(name + " of topic " + t.name)
	for {
		var worst error
		for _, leader := range t.leadersOf(partitions, open) {
			worst = WorseOf(worst, ask(leader, &open))
		}
		if len(open) == 0 {
			r.Reset()
			return nil
		}
		if err := r.Wait(ctx, worst); err != nil {
			return err
		}
		if err := t.Refresh(ctx); err != nil && JudgeError(err) != Again {
			return err
		}
	}
}

// leadersOf returns the leaders of the partitions at the given indexes.
func (t *Topic) leadersOf(partitions []int32, at []int) []int32 {
	var ids []int32
	for _, i := range at {
		if id := t.Leader(partitions[i]).Broker; !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// listAt asks one leader, and removes the answered indexes from open.
func (t *Topic) listAt(
	ctx context.Context, leader int32, partitions []int32, open *[]int, at int64, committed bool, found []int64,
) error {
	req := &wire.ListOffsetsRequest{Broker: leader, Committed: committed, Topic: t.name}
	var asked, left []int
	for _, i := range *open {
		if l := t.Leader(partitions[i]); l.Broker == leader {
			asked = append(asked, i)
			req.Partitions = append(req.Partitions, wire.ListPartition{
				Partition: partitions[i], LeaderEpoch: l.Epoch, Time: at,
			})
		} else {
			left = append(left, i)
		}
	}
	listed, err := t.cluster.wire.ListOffsets(ctx, req)
	if err != nil {
		return err
	}
	for n, i := range asked {
		if listed[n].Err != nil {
			err = WorseOf(err, fmt.Errorf("%s: %w", PlaceOf(t.name, partitions[i]), listed[n].Err))
			left = append(left, i)
			continue
		}
		found[i] = listed[n].Offset
	}
	*open = left
	return err
}
