package main

import (
	"io"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/progress"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/route"
	"github.com/streamcrypt/streamcrypt/internal/watch"
)

// maxPlacesToGo is how many places progress names.
const maxPlacesToGo = 100

// readProgress tells how far a route is.
func readProgress(r *route.Route) progress.State {
	s := r.Snapshot()
	shown := progress.State{
		Done: s.Done, Total: s.Total, Bytes: s.Unit == endpoint.Bytes,
		Refused: s.Rejected, Parked: s.Parked, Keys: r.KeyTrouble(),
	}
	if s.Lag != watch.Unknown {
		shown.Lag = &s.Lag
	}
	for _, p := range r.PlacesToGo(maxPlacesToGo) {
		place := progress.Place{Name: p.Name, Next: p.Next, Parked: p.Parked != nil}
		if p.Lag != watch.Unknown {
			place.Lag = &p.Lag
		}
		shown.Places = append(shown.Places, place)
	}
	return shown
}

// startEvents begins to print the progress of a route for another program, if
// --json asks for it. stop ends that, and wait returns when the last event has
// its reader.
func (p *program) startEvents(r *route.Route) (stop, wait func()) {
	var out io.Writer
	p.ending.setFields(func(e *ending) { out = e.json })
	if out == nil {
		return func() {}, func() {}
	}
	names := p.voice.names.Load()
	events := progress.StartEvents(out, names.route, names.instance, func() progress.State { return readProgress(r) })
	return events.StopAsking, events.AwaitReader
}
