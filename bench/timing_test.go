package main

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestMiddle(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for name, test := range map[string]struct {
		values []float64
		want   middle
	}{
		"one":     {[]float64{7}, middle{7, 7, 7}},
		"odd":     {[]float64{9, 1, 5}, middle{1, 5, 9}},
		"even":    {[]float64{4, 1, 3, 2}, middle{1, 2.5, 4}},
		"hundred": {hundred, middle{41, 50.5, 61}}, // ranks 40 and 61 of 100 for a median, from a table of the binomial
	} {
		t.Run(name, func(t *testing.T) {
			if got := middleOf(test.values); got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

func TestRatioIsByRound(t *testing.T) {
	// The machine is ten times slower in the second half; the ratio is 2
	// throughout.
	times := timings{{10, 10, 100, 100}, {20, 20, 200, 200}}
	if got := times.compareTimes(1, 0); got != (middle{2, 2, 2}) {
		t.Errorf("ratio %v", got)
	}
	if got := middleOf(times.subtractTimes(1, 0)); got != (middle{10, 55, 100}) {
		t.Errorf("difference %v", got)
	}
	if got := times.findBest(1); got != 20 {
		t.Errorf("best %v", got)
	}
	if !times.isSettled() {
		t.Error("a ratio without spread is not settled")
	}
	times[1][0], times[1][1] = 10, 10
	if times.isSettled() {
		t.Error("a ratio between 1 and 2 is settled")
	}
}

func TestInterleaveTakesTurns(t *testing.T) {
	var order []byte
	op := func(name byte) operation {
		return func(int) error {
			order = append(order, name)
			return nil
		}
	}
	times, err := interleaveTurns(time.Nanosecond, op('A'), op('B'), op('C'))
	if err != nil {
		t.Fatal(err)
	}
	first := slices.Index(order, 'B') - 1 // what is before that finds the size of a batch
	if got := string(order[first : first+6]); got != "ABCCBA" {
		t.Errorf("order %s", got)
	}
	for i := range times {
		if len(times[i]) != minRounds {
			t.Errorf("%d rounds of operation %d", len(times[i]), i)
		}
	}
}

func TestInterleaveStopsAtAnError(t *testing.T) {
	bad := errors.New("bad")
	good := func(int) error { return nil }
	if _, err := interleaveTurns(time.Second, good, func(int) error { return bad }); !errors.Is(err, bad) {
		t.Errorf("error %v", err)
	}
	if _, err := interleaveTurns(time.Second, func(int) error { return bad }, good); !errors.Is(err, bad) {
		t.Errorf("error %v", err)
	}
}
