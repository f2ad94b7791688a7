package watch

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestLag serves lanes, one of which cannot tell where its places end.
func TestLag(t *testing.T) {
	var r Route
	if n := r.Lag(); n != Unknown {
		t.Errorf("no lane: lag %d", n)
	}
	var mu sync.Mutex // as a lane's own, which its functions take
	position := int64(10)
	endA := r.ServeLane(func(yield func(string, int64, int64)) {
		mu.Lock()
		defer mu.Unlock()
		yield("a", position, 40)
		yield("b", 7, 5) // the end is older than the position
	})
	endB := r.ServeLane(func(yield func(string, int64, int64)) { yield("c", 3, -1) })
	if n := r.Lag(); n != 30 {
		t.Errorf("lag %d", n)
	}
	position = 39
	places, _ := r.Places()
	if len(places) != 2 || places[0].Lag != 1 || places[1].Lag != 0 {
		t.Errorf("places %+v", places)
	}
	mu.Lock() // a lane ends while it holds its lock, and somebody asks
	asked := make(chan int64)
	go func() { asked <- r.Lag() }()
	endA(nil)
	mu.Unlock()
	<-asked
	if n := r.Lag(); n != Unknown {
		t.Errorf("a lane that cannot tell: lag %d", n)
	}
	endB(errors.New("lost"))
	endB(nil)
	if len(r.lanes) != 0 {
		t.Errorf("%d lanes are kept", len(r.lanes))
	}
}

func TestTraffic(t *testing.T) {
	var r Route
	r.FetchBytes(5)
	r.FetchBytes(6)
	r.ProduceBytes(7)
	r.EndTransaction(true, time.Second)
	r.EndTransaction(false, 2*time.Second)
	r.RetryRequest("Fetch", nil)
	r.RetryPublish(3, nil)
	r.NoteDuplicates(2, 1)
	r.ChangeConnection(false, nil)
	r.ChangeConnection(false, nil)
	r.ChangeConnection(true, nil)
	want := Traffic{
		FetchedBytes: 11, ProducedBytes: 7, Committed: 1, Aborted: 1, OpenFor: 3 * time.Second,
		RetriedRequests: 1, RepublishedMessages: 3, AlreadyStored: 2, PublishedAgain: 1, LostConnections: 2, Away: 1,
	}
	got := r.Traffic()
	if got.AwaySince.IsZero() {
		t.Error("a connection is away, and nobody says since when")
	}
	if got.AwaySince = want.AwaySince; got != want {
		t.Errorf("%+v", got)
	}
}

// TestAway: brokers are away from the first connection that breaks until the
// last one is back, and from the first request that fails until one goes well
// or none fails any more.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Route
		began := time.Now()
		away := func(when string, want time.Duration) {
			t.Helper()
			since := r.Traffic().AwaySince
			if want < 0 != since.IsZero() || want >= 0 && since.Sub(began) != want {
				t.Errorf("%s: away since %v", when, since.Sub(began))
			}
		}
		away("at first", -1)
		r.ChangeConnection(false, nil)
		time.Sleep(time.Minute)
		r.ChangeConnection(false, nil)
		r.ChangeConnection(true, nil)
		away("one is back", 0)
		r.ChangeConnection(true, nil)
		away("all are back", -1)
		for range 5 {
			r.RetryRequest("Fetch", nil)
			time.Sleep(10 * time.Second)
		}
		away("requests fail", time.Minute)
		r.FetchBytes(5)
		away("one goes well", -1)
		r.RetryRequest("Fetch", nil)
		away("again", 110*time.Second)
		time.Sleep(21 * time.Second)
		away("no request fails any more", -1)
	})
}
