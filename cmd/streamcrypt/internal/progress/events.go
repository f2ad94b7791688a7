package progress

import (
	"encoding/json"
	"io"
	"time"
)

// event is the progress as --json prints it, one line each:
// docs/result.schema.json.
type event struct {
	Event    string    `json:"event"` // progress
	Route    string    `json:"route"`
	Instance string    `json:"instance"`
	Time     time.Time `json:"time"`
	Unit     string    `json:"unit"` // messages or bytes, of the next three
	Done     int64     `json:"done"`
	Total    int64     `json:"total,omitempty"`
	Rate     float64   `json:"per_second"` // in the last seconds
	Left     float64   `json:"seconds_left,omitempty"`
	Lag      *int64    `json:"lag,omitempty"`
	Refused  int64     `json:"set_aside"`
	Parked   int64     `json:"parked"`
	Keys     string    `json:"keys"`
	Places   []Place   `json:"places,omitempty"`
}

// StartEvents begins to write events to w, one now and then, until the Reporter
// is stopped. A line that cannot be written is left out: the ending tells.
func StartEvents(w io.Writer, routeName, instance string, read func() State) *Reporter {
	r := &Reporter{stop: make(chan struct{}), done: make(chan struct{})}
	speed := &recent{}
	speed.addSample(time.Now(), read().Done)
	encoder := json.NewEncoder(w)
	show := func() {
		s, now := read(), time.Now()
		speed.addSample(now, s.Done)
		e := event{
			Event: "progress", Route: routeName, Instance: instance, Time: now.UTC(), Unit: s.unit(),
			Done: s.Done, Total: s.Total, Rate: speed.perSecond(), Left: speed.left(&s).Seconds(), Lag: s.Lag,
			Refused: s.Refused, Parked: s.Parked, Keys: s.Keys, Places: s.Places,
		}
		if e.Keys == "" {
			e.Keys = "normal"
		}
		_ = encoder.Encode(&e)
	}
	go r.showEvery(logEvery, show, func() {})
	return r
}

// unit names the unit of Done and Total.
func (s *State) unit() string {
	if s.Bytes {
		return "bytes"
	}
	return "messages"
}
