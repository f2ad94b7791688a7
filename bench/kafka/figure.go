package main

import (
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
)

// listFigures returns the targets for which the report has measurements.
func (r *Report) listFigures() []contest.Figure {
	var all []contest.Figure
	compare := func(name, a, b string, size int, of func(Turn) float64, limit float64, atLeast bool) {
		x, y := findRow(r.Rows, a, size, usualPartitions), findRow(r.Rows, b, size, usualPartitions)
		if x != nil && y != nil {
			all = append(all, contest.RatioFigure(name, compareRows(x, y, of), limit, atLeast))
		}
	}
	const small, large = 1 << 10, 1 << 20
	compare("1 KiB: rate of encrypt / franz-go copy", encryptOnce, franzPlain, small, rateOf, 1.3, true)
	compare("1 KiB: rate of decrypt / franz-go copy", decryptOnce, franzPlain, small, rateOf, 1.3, true)
	compare("1 KiB: CPU of encrypt / franz-go copy", encryptOnce, franzPlain, small, cpuOf, 0.65, false)
	compare("1 KiB: CPU of decrypt / franz-go copy", decryptOnce, franzPlain, small, cpuOf, 0.65, false)
	compare("1 KiB: rate of encrypt, exactly / at least once", encryptExact, encryptOnce, small, rateOf, 0.85, true)
	compare("1 KiB: rate of decrypt, exactly / at least once", decryptExact, decryptOnce, small, rateOf, 0.85, true)
	compare("1 MiB: CPU of encrypt / franz-go copy", encryptOnce, franzPlain, large, cpuOf, 0.8, false)
	compare("1 MiB: CPU of decrypt / franz-go copy", decryptOnce, franzPlain, large, cpuOf, 0.8, false)
	compare("1 KiB: CPU of encrypt / franz-go tuned copy", encryptOnce, franzTune, small, cpuOf, 0.82, false)
	compare("1 KiB: CPU of the ceiling / of encrypt", ceilingSeal, encryptOnce, small, cpuOf, 0.85, true)
	compare("1 KiB: CPU of the ceiling / of decrypt", ceilingOpen, decryptOnce, small, cpuOf, 0.85, true)
	return slices.Concat(all, r.peakFigures(), r.manyFigures(), r.backfillFigures(), r.idleFigures(),
		r.latencyFigures())
}

// peakFigures returns the largest peak of streamcrypt at each size, over all of
// its commands.
func (r *Report) peakFigures() []contest.Figure {
	var all []contest.Figure
	for i := range r.Rows {
		row := &r.Rows[i]
		if c := contenderNamed(row.Contender); !c.isOurs() {
			continue
		}
		all = contest.AppendPeak(all, contest.SizeName(row.Size)+": peak memory", row.RSS.High, 96)
	}
	return all
}

func (r *Report) manyFigures() []contest.Figure {
	if len(r.Many) == 0 {
		return nil
	}
	most := r.Many[len(r.Many)-1].Partitions
	const size = 1 << 10
	few, many := findRow(r.Many, encryptOnce, size, usualPartitions), findRow(r.Many, encryptOnce, size, most)
	franz := findRow(r.Many, franzPlain, size, most)
	if few == nil || many == nil || franz == nil {
		return nil
	}
	name := fmt.Sprintf("%d partitions: CPU of encrypt / ", most)
	return []contest.Figure{
		contest.RatioFigure(name+"4 partitions", compareRows(many, few, cpuOf), 1.5, false),
		contest.RatioFigure(name+"franz-go copy", compareRows(many, franz, cpuOf), 1, false),
	}
}

func (r *Report) backfillFigures() []contest.Figure {
	if len(r.Backfill) != 2 {
		return nil
	}
	x, y := &r.Backfill[0], &r.Backfill[1]
	return []contest.Figure{
		contest.RatioFigure("1 KiB: rate of a backfill / of a member", compareRows(x, y, rateOf), 0.9, true),
		contest.RatioFigure("1 KiB: CPU of a backfill / of a member", compareRows(x, y, cpuOf), 1.1, false),
	}
}

func (r *Report) idleFigures() []contest.Figure {
	if r.Idle == nil {
		return nil
	}
	v := 100 * r.Idle.Ours
	name := fmt.Sprintf("%d idle partitions: of a core", r.Idle.Partitions)
	return []contest.Figure{{Name: name, Value: v, Unit: "%", Limit: 2, Low: v, High: v}}
}
