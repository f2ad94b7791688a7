package main

import (
	"math"
	"runtime"
	"slices"
	"time"
)

// operation does its work n times, as fast as it can.
type operation func(n int) error

// batchTime is how long one turn of an operation lasts. It is shorter than a
// scheduler's time slice, so most turns are not disturbed, and long enough for
// the clock to cost nothing.
const batchTime = 200 * time.Microsecond

// minRounds is the least number of rounds, however long they take.
const minRounds = 5

// precision is the relative width of the interval around a median at which more
// rounds bring nothing.
const precision = 0.004

// timings are the nanoseconds that one execution took, by operation and round.
type timings [][]float64

// interleaveTurns runs the operations in turns on this goroutine, A B C, C B A
// and so on, so that all of them meet the same disturbances. Every operation
// does the same number of executions a turn, and every round has another stack
// depth. It ends when the ratio of every other operation to the first is known
// to about precision, or when budget is spent.
func interleaveTurns(budget time.Duration, ops ...operation) (timings, error) {
	n, err := batchOf(ops[0])
	if err != nil {
		return nil, err
	}
	times := make(timings, len(ops))
	end := time.Now().Add(budget)
	for round := 0; ; round++ {
		for i := range ops {
			if round%2 == 1 {
				i = len(ops) - 1 - i
			}
			took, err := timeOperation(round%depths, ops[i], n)
			if err != nil {
				return nil, err
			}
			times[i] = append(times[i], float64(took)/float64(n))
		}
		if round+1 < minRounds {
			continue
		}
		if time.Now().After(end) || round%64 == 63 && times.isSettled() {
			return times, nil
		}
	}
}

// depths is how many stack depths there are. Go's AES-GCM for amd64 keeps 256
// bytes on the stack that are aligned to 8 bytes only. Where a 16-byte store of
// them crosses a page border, about one depth in 50, sealing takes a third
// longer for as long as the caller stays at that depth, with or without an
// envelope. With one depth for all rounds a ratio would be a matter of luck.
const depths = 64

// timeOperation runs op at a stack depth.
//
//go:noinline
func timeOperation(depth int, op operation, n int) (time.Duration, error) {
	var frame [72]byte // a frame becomes an odd multiple of 8, so that alignments take turns too
	if depth > 0 {
		took, err := timeOperation(depth-1, op, n)
		runtime.KeepAlive(&frame)
		return took, err
	}
	begin := time.Now()
	err := op(n)
	return time.Since(begin), err
}

// batchOf finds how many executions of op take about batchTime. It also warms
// up. The shortest of three tries counts: one during which the system takes the
// processor away would end the search at a few executions, and then the figure
// would mostly be the cost of the clock.
func batchOf(op operation) (int, error) {
	for n := 1; ; n *= 2 {
		took := time.Duration(math.MaxInt64)
		for try := 0; try < 3 && took >= batchTime; try++ {
			begin := time.Now()
			if err := op(n); err != nil {
				return 0, err
			}
			took = min(took, time.Since(begin))
		}
		if took >= batchTime || n >= 1<<20 {
			return max(1, int(float64(n)*float64(batchTime)/float64(took))), nil
		}
	}
}

// isSettled says that the ratios to the first operation are known well enough.
func (t timings) isSettled() bool {
	for i := range t[1:] {
		if r := t.compareTimes(i+1, 0); r.high-r.low > precision*r.median {
			return false
		}
	}
	return true
}

// compareTimes compares operation i with operation j, round by round.
func (t timings) compareTimes(i, j int) middle {
	ratios := make([]float64, len(t[i]))
	for round := range ratios {
		ratios[round] = t[i][round] / t[j][round]
	}
	return middleOf(ratios)
}

// subtractTimes returns by how many nanoseconds operation i took longer than
// operation j, round by round.
func (t timings) subtractTimes(i, j int) []float64 {
	costs := make([]float64, len(t[i]))
	for round := range costs {
		costs[round] = t[i][round] - t[j][round]
	}
	return costs
}

// findBest returns the shortest time of operation i, in nanoseconds.
func (t timings) findBest(i int) float64 { return slices.Min(t[i]) }

// middle is a median and an interval that holds the true one in 95 of 100
// cases.
type middle struct{ low, median, high float64 }

func (m middle) makeSpread() *[2]float64 { return &[2]float64{m.low, m.high} }

// middleOf sorts values in place. The interval is that of order statistics and
// assumes no distribution.
func middleOf(values []float64) middle {
	slices.Sort(values)
	n := float64(len(values))
	last := len(values) - 1
	half := 0.98 * math.Sqrt(n)
	return middle{
		low:    values[max(0, int(n/2-half))],
		median: (values[last/2] + values[len(values)/2]) / 2,
		high:   values[min(last, int(math.Ceil(n/2+half)))],
	}
}
