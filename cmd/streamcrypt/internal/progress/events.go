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

// Events writes events until it is stopped.
type Events struct {
	reporter *Reporter
	written  chan struct{}
}

// StartEvents begins to write events to w, one now and then, in goroutines that
// StopAsking and AwaitReader end. An event is left out while the one before it
// waits for its reader, and so is a line that cannot be written: the ending
// tells.
func StartEvents(w io.Writer, routeName, instance string, read func() State) *Events {
	v := &Events{
		reporter: &Reporter{stop: make(chan struct{}), done: make(chan struct{})},
		written:  make(chan struct{}),
	}
	events := make(chan event)
	go func() {
		defer close(v.written)
		encoder := json.NewEncoder(w)
		for e := range events {
			_ = encoder.Encode(&e)
		}
	}()
	speed := &recent{}
	speed.addSample(time.Now(), read().Done)
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
		select {
		case events <- e:
		default:
		}
	}
	go v.reporter.showEvery(logEvery, show, func() { close(events) })
	return v
}

// StopAsking returns when no more is asked or begun. It does not wait for a
// reader.
func (v *Events) StopAsking() { v.reporter.Stop() }

// AwaitReader returns when the last event has been written. It comes after
// StopAsking.
func (v *Events) AwaitReader() { <-v.written }

// unit names the unit of Done and Total.
func (s *State) unit() string {
	if s.Bytes {
		return "bytes"
	}
	return "messages"
}
