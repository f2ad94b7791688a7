package watch

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// batch is what one batch of one place came to.
func batch(place string, n int64) []pipeline.PlaceCounts {
	return []pipeline.PlaceCounts{{
		Place: place, Next: 10 * n, Read: 3 * n, Written: 2 * n, BytesIn: 5 * n, BytesOut: 7 * n,
		Rejected: map[pipeline.Reason]int64{pipeline.ReasonTampered: n},
	}}
}

func TestFigures(t *testing.T) {
	var r Route
	for _, place := range []string{"b", "a", "b"} {
		r.ObserveBatch(batch(place, 1))
	}
	totals := r.Totals()
	if totals.Read != 9 || totals.Written != 6 || totals.BytesIn != 15 || totals.BytesOut != 21 || totals.Batches != 3 {
		t.Errorf("totals %+v", totals)
	}
	if want := map[pipeline.Reason]int64{pipeline.ReasonTampered: 3}; !maps.Equal(totals.Rejected, want) || totals.RejectedTotal() != 3 {
		t.Errorf("rejected %v", totals.Rejected)
	}
	r.SetLag("a", 40)
	places, others := r.Places()
	if len(places) != 2 || places[0].Name != "a" || places[1].Read != 6 || places[1].Next != 10 || others.Read != 0 {
		t.Errorf("places %+v, others %+v", places, others)
	}
	if places[0].Lag != 40 || places[1].Lag != Unknown {
		t.Errorf("lags %d and %d", places[0].Lag, places[1].Lag)
	}
	places[0].Rejected[pipeline.ReasonTampered] = 100
	if again, _ := r.Places(); again[0].Rejected[pipeline.ReasonTampered] != 1 {
		t.Error("figures that were given away are still used")
	}
}

// TestBound gives a route more places than have figures of their own.
func TestBound(t *testing.T) {
	var r Route
	for i := range MaxPlaces + 10 {
		r.ObserveBatch(batch(fmt.Sprintf("orders/%04d", i), 1))
	}
	places, others := r.Places()
	if len(places) != MaxPlaces || others.Read != 30 || others.Rejected[pipeline.ReasonTampered] != 10 {
		t.Errorf("%d places, others %+v", len(places), others)
	}
	if n := r.Totals().Read; n != 3*(MaxPlaces+10) {
		t.Errorf("%d read", n)
	}
}

// TestParked parks places, one of them beyond the bound, and lets them go on.
func TestParked(t *testing.T) {
	var r Route
	for i := range MaxPlaces {
		r.ObserveBatch(batch(fmt.Sprintf("a/%04d", i), 1))
	}
	cause := errors.New("tampered")
	r.ObservePlace("a/0003", 17, cause)
	r.ObservePlace("a/0003", 17, cause)
	r.ObservePlace("z/1", 5, cause)
	for limit, want := range [][]string{{}, {"a/0003"}, {"a/0003", "z/1"}, {"a/0003", "z/1"}} {
		if got := r.ParkedPlaces(limit); !slices.Equal(got, want) {
			t.Errorf("the first %d: %q", limit, got)
		}
	}
	places, _ := r.Places()
	if p := places[3]; p.Parked != cause || p.ParkedAt != 17 || p.Since.IsZero() || r.Totals().Parked != 2 {
		t.Errorf("%+v, %+v", p, r.Totals())
	}
	r.ObservePlace("a/0003", -1, nil)
	r.ObservePlace("z/1", -1, nil)
	places, _ = r.Places()
	if p := places[3]; p.Parked != nil || p.ParkedAt != Unknown || r.Totals().Parked != 0 {
		t.Errorf("%+v, %+v", p, r.Totals())
	}
}

func TestLanes(t *testing.T) {
	var r Route
	var lanes sync.WaitGroup
	for _, end := range []pipeline.LaneChange{pipeline.LaneEnded, pipeline.LaneLost, pipeline.LaneFailed} {
		lanes.Go(func() {
			r.ObserveLane(pipeline.LaneServed, nil)
			r.ObserveLane(end, nil)
		})
	}
	lanes.Wait()
	r.ObserveLane(pipeline.LaneServed, nil)
	if n := r.Totals(); n.Lanes != 1 || n.LostLanes != 1 {
		t.Errorf("%+v", n)
	}
}

// TestStuck: what is stuck is known by name until it goes on.
func TestStuck(t *testing.T) {
	var r Route
	first, second := errors.New("first"), errors.New("second")
	r.ObserveStuck("b", first)
	r.ObserveStuck("a", first)
	r.ObserveStuck("b", second)
	all := r.StuckPlaces()
	if len(all) != 2 || all[0].Name != "a" || all[1].WaitsFor != second || all[1].Since.After(all[0].Since) {
		t.Errorf("got %+v", all)
	}
	r.ObserveStuck("b", nil)
	r.ObserveStuck("c", nil)
	if all := r.StuckPlaces(); len(all) != 1 || all[0].Name != "a" {
		t.Errorf("got %+v", all)
	}
	for i := range MaxPlaces + 5 {
		r.ObserveStuck(fmt.Sprint(i), first)
	}
	if n := len(r.StuckPlaces()); n != MaxPlaces {
		t.Errorf("%d are kept", n)
	}
}
