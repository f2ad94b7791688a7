package kafka

import (
	"context"
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// offsets asks for the offsets that belong to times (wire.Earliest and wire.Latest are two), for each of
// partitions. The answer has one row per time. Latest is behind the last record that is committed.
func (t *topic) offsets(ctx context.Context, partitions []int32, times ...int64) ([][]int64, error) {
	rows := make([][]int64, len(times))
	for i, at := range times {
		row, err := t.offsetsAt(ctx, partitions, at)
		if err != nil {
			return nil, err
		}
		rows[i] = row
	}
	return rows, nil
}

func (t *topic) offsetsAt(ctx context.Context, partitions []int32, at int64) ([]int64, error) {
	found := make([]int64, len(partitions))
	open := make([]int, len(partitions)) // indexes of those without an answer
	for i := range open {
		open[i] = i
	}
	r := retrier{what: "offsets of topic " + t.name, log: t.cluster.log}
	for {
		var worst error
		for _, leader := range t.leaders(partitions, open) {
			worst = worse(worst, t.listAt(ctx, leader, partitions, &open, at, found))
		}
		if len(open) == 0 {
			return found, nil
		}
		if err := r.after(ctx, worst); err != nil {
			return nil, err
		}
		if err := t.refresh(ctx); err != nil && judge(err) != again {
			return nil, err
		}
	}
}

// leaders are those of the partitions at the given indexes.
func (t *topic) leaders(partitions []int32, at []int) []int32 {
	var ids []int32
	for _, i := range at {
		if id := t.leader(partitions[i]).id; !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// listAt asks one leader. It removes from open what it has found.
func (t *topic) listAt(ctx context.Context, leader int32, partitions []int32, open *[]int, at int64, found []int64) error {
	req := &wire.ListOffsetsRequest{Broker: leader, Committed: true, Topic: t.name}
	var asked, left []int
	for _, i := range *open {
		if l := t.leader(partitions[i]); l.id == leader {
			asked = append(asked, i)
			req.Partitions = append(req.Partitions, wire.ListPartition{Partition: partitions[i], LeaderEpoch: l.epoch, Time: at})
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
			err = worse(err, fmt.Errorf("%s: %w", placeOf(t.name, partitions[i]), listed[n].Err))
			left = append(left, i)
			continue
		}
		found[i] = listed[n].Offset
	}
	*open = left
	return err
}
