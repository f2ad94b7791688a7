package watch

import (
	"math"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestHistogram: a value at a bound belongs below it, and one above all bounds
// counts.
func TestHistogram(t *testing.T) {
	var h Histogram
	bounds := []float64{1, 10}
	for _, v := range []float64{0.5, 1, 1.5, 10, 11} {
		h.addValue(bounds, v)
	}
	c := h.copy()
	h.addValue(bounds, 5)
	total, below := c.Cumulate()
	if total != 5 || below[1] != 2 || below[10] != 4 || len(below) != 2 || c.Sum != 24 {
		t.Errorf("%d values, %v, sum %v", total, below, c.Sum)
	}
	if total, _ := h.Cumulate(); total != 6 {
		t.Errorf("%d values after one more", total)
	}
	if total, below := new(Histogram).Cumulate(); total != 0 || len(below) != 0 {
		t.Error("an empty one has values")
	}
}

func TestWorkload(t *testing.T) {
	var r Route
	r.SetWorkers(4)
	r.BeginWork()
	r.BeginWork()
	r.EndWork(pipeline.Work{Messages: 3, Bytes: 70, Transform: time.Second, Settle: 2 * time.Second})
	w := r.Workload()
	if w.Workers != 4 || w.Busy != 1 || w.Messages.Sum != 3 || w.Bytes.Sum != 70 || w.Transform.Sum != 1 || w.Settle.Sum != 2 {
		t.Errorf("%+v", w)
	}
}

func TestGrowth(t *testing.T) {
	var f Figures
	if !math.IsNaN(f.Growth()) {
		t.Error("nothing grows")
	}
	f.BytesIn, f.BytesOut = 100, 150
	if g := f.Growth(); g != 1.5 {
		t.Error(g)
	}
}

// TestKeyAges: data keys that are in use, and how those that are closed were.
func TestKeyAges(t *testing.T) {
	var r Route
	open := kekcache.KeyEvent{Side: kekcache.Sealing, Context: "c", Op: kekcache.OpWindowOpened}
	closed := kekcache.KeyEvent{
		Side: kekcache.Sealing, Context: "c", Op: kekcache.OpWindowClosed, Age: time.Minute, Messages: 7,
	}
	r.KeyEvent(open)
	r.KeyEvent(open)
	r.KeyEvent(closed)
	k := r.Keys()[0]
	if k.OpenKeys() != 1 || k.Opened.IsZero() || k.Ages.Sum != 60 || k.Uses.Sum != 7 {
		t.Errorf("%+v", k)
	}
	r.KeyEvent(closed)
	r.KeyEvent(closed) // of a window that was there before
	if n := r.Keys()[0].OpenKeys(); n != 0 {
		t.Errorf("%d are open", n)
	}
	r.KeyCall(kekcache.KeyCall{Op: "unwrap", Key: "a", Outcome: kekcache.OutcomeOK, Took: time.Second})
	r.KeyCall(kekcache.KeyCall{Op: "unwrap", Key: "b", Outcome: kekcache.OutcomeOK, Took: time.Second})
	r.KeyCall(kekcache.KeyCall{Op: "unwrap", Key: "b", Outcome: kekcache.OutcomeAway, Took: time.Second})
	if c := r.CallTimes(); len(c) != 2 || c[0].Outcome != kekcache.OutcomeAway || c[1].Seconds.Sum != 2 {
		t.Errorf("%+v", c)
	}
}
