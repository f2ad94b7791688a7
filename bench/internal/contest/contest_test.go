package contest

import (
	"slices"
	"testing"
)

func TestNiceStep(t *testing.T) {
	for most, want := range map[float64]float64{0: 1, 3: 1, 9.5: 2, 45: 10, 100: 20, 610: 200, 0.08: 0.02} {
		if got := niceStep(most); got < want*0.999 || got > want*1.001 {
			t.Errorf("steps of %v for up to %v, want %v", got, most, want)
		}
	}
}

func TestVerdicts(t *testing.T) {
	for want, f := range map[string]Figure{
		"met":      {Value: 1.5, Limit: 1.3, AtLeast: true, Low: 1.4, High: 1.6},
		"met ?":    {Value: 1.2, Limit: 1.3, Low: 1.1, High: 1.4},
		"MISSED":   {Value: 1.2, Limit: 1.3, AtLeast: true, Low: 1.1, High: 1.25},
		"MISSED ?": {Value: 1.2, Limit: 1.3, AtLeast: true, Low: 1.1, High: 1.4},
	} {
		if got := f.DescribeVerdict(); got != want {
			t.Errorf("%+v: %q, want %q", f, got, want)
		}
	}
}

func TestMiddle(t *testing.T) {
	if got := MiddleOf([]float64{4, 1, 3, 2}); got != (Middle{1, 2.5, 4}) {
		t.Errorf("%v", got)
	}
	same := func(v float64) float64 { return v }
	if got := CompareTurns([]float64{2, 9}, []float64{1, 3, 5}, same); got != (Middle{2, 2.5, 3}) {
		t.Errorf("%v", got)
	}
}

func TestPeakIsTheLargest(t *testing.T) {
	all := AppendPeak(nil, "a", 5, 10)
	all = AppendPeak(all, "a", 12, 10)
	all = AppendPeak(all, "a", 7, 10)
	all = AppendPeak(all, "b", 3, 10)
	want := []Figure{
		{Name: "a", Value: 12, Unit: "MiB", Limit: 10, Low: 12, High: 12},
		{Name: "b", Value: 3, Unit: "MiB", Limit: 10, Low: 3, High: 3},
	}
	if !slices.Equal(all, want) {
		t.Errorf("%+v", all)
	}
}

func TestLapsTakeTurns(t *testing.T) {
	var order []int
	turns, err := RunLaps(3, 3, func(i int) (int, error) {
		order = append(order, i)
		return 10*len(order) + i, nil
	})
	if err != nil || !slices.Equal(order, []int{0, 1, 2, 2, 1, 0, 0, 1, 2}) {
		t.Errorf("%v, %v", order, err)
	}
	if !slices.Equal(turns[1], []int{21, 51, 81}) {
		t.Errorf("turns of the second: %v", turns[1])
	}
}
