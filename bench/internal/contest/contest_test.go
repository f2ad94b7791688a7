package contest

import "testing"

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
