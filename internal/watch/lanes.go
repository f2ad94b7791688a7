package watch

import (
	"slices"
	"time"
)

// PlacesFunc calls yield for each place of a lane, with the position from which
// a new owner would read, and the end of the place; an end below zero is not
// known.
type PlacesFunc = func(yield func(place string, position, end int64))

// ServeLane implements the source observers of the connectors. The places of
// the lane are asked when somebody wants to know the lag, and not before.
func (r *Route) ServeLane(places PlacesFunc) (ended func(error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lane := &places
	r.lanes = append(r.lanes, lane)
	return func(error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if at := slices.Index(r.lanes, lane); at >= 0 {
			r.lanes = slices.Delete(r.lanes, at, at+1)
		}
	}
}

// refreshLags asks all lanes for the lags of their places. A lane is asked
// without a lock, because it takes locks of its own.
func (r *Route) refreshLags() {
	r.mu.Lock()
	lanes := slices.Clone(r.lanes)
	r.mu.Unlock()
	for _, places := range lanes {
		(*places)(func(place string, position, end int64) {
			if end >= 0 {
				r.SetLag(place, max(0, end-position))
			}
		})
	}
}

// Lag returns how many messages wait in the places that are served now, or
// Unknown if no lane can tell.
func (r *Route) Lag() int64 {
	r.mu.Lock()
	lanes := slices.Clone(r.lanes)
	r.mu.Unlock()
	lag := Unknown
	for _, places := range lanes {
		(*places)(func(_ string, position, end int64) {
			if end >= 0 {
				lag = max(0, lag) + max(0, end-position)
			}
		})
	}
	return lag
}

// Traffic counts the work of the connectors: the bytes that the broker stores,
// transactions, and everything that had to be done again.
type Traffic struct {
	FetchedBytes, ProducedBytes int64
	Committed, Aborted          int64 // transactions
	// OpenFor is the sum of how long transactions were open.
	OpenFor time.Duration
	// RetriedRequests counts requests, RepublishedMessages messages.
	RetriedRequests, RepublishedMessages int64
	// AlreadyStored counts messages that a stream had stored before;
	// PublishedAgain those that it only said so of.
	AlreadyStored, PublishedAgain int64
	// LostConnections counts connections that broke; Away is how many are
	// broken now.
	LostConnections, Away int64
	// AwaySince is when the first of the connections broke that are broken now,
	// or when the first of the requests failed that have been tried again since
	// with no success between; zero if there is none.
	AwaySince time.Time
}

// retryPause is the longest pause between two tries of a request. When it has
// passed twice without a failure, requests do not fail any more.
const retryPause = 10 * time.Second

// FetchBytes implements the observer of a Kafka source.
func (r *Route) FetchBytes(n int) {
	r.count(func(t *Traffic) {
		t.FetchedBytes += int64(n)
		r.failing = failing{}
	})
}

// ProduceBytes implements the observer of a Kafka sink.
func (r *Route) ProduceBytes(n int) {
	r.count(func(t *Traffic) {
		t.ProducedBytes += int64(n)
		r.failing = failing{}
	})
}

// failing is since when requests to brokers fail, and when the last one did.
type failing struct{ since, last time.Time }

// EndTransaction implements the observer of a Kafka sink.
func (r *Route) EndTransaction(committed bool, open time.Duration) {
	r.count(func(t *Traffic) {
		if committed {
			t.Committed++
		} else {
			t.Aborted++
		}
		t.OpenFor += open
	})
}

// RetryRequest implements the observer of a Kafka cluster.
func (r *Route) RetryRequest(string, error) {
	now := time.Now()
	r.count(func(t *Traffic) {
		t.RetriedRequests++
		if now.Sub(r.failing.last) > 2*retryPause {
			r.failing.since = now
		}
		r.failing.last = now
	})
}

// RetryPublish implements the observer of a NATS sink.
func (r *Route) RetryPublish(messages int, _ error) {
	r.count(func(t *Traffic) { t.RepublishedMessages += int64(messages) })
}

// NoteDuplicates implements the observer of a NATS sink.
func (r *Route) NoteDuplicates(already, again int) {
	r.count(func(t *Traffic) {
		t.AlreadyStored += int64(already)
		t.PublishedAgain += int64(again)
	})
}

// ChangeConnection implements the observer of a NATS connection.
func (r *Route) ChangeConnection(connected bool, _ error) {
	r.count(func(t *Traffic) {
		if connected {
			if t.Away = max(0, t.Away-1); t.Away == 0 {
				t.AwaySince = time.Time{}
			}
			return
		}
		t.LostConnections++
		if t.Away++; t.Away == 1 {
			t.AwaySince = time.Now()
		}
	})
}

func (r *Route) count(add func(*Traffic)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	add(&r.traffic)
}

// Traffic returns the counts of the connectors.
func (r *Route) Traffic() Traffic {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.traffic
	if f := r.failing; t.AwaySince.IsZero() && time.Since(f.last) <= 2*retryPause {
		t.AwaySince = f.since
	}
	return t
}
