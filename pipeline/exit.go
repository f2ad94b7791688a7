package pipeline

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// remindEvery is how often the log is reminded of parked places.
const remindEvery = time.Minute

// holdPlaces notes an assignment when its lane is served.
func (e *engine) holdPlaces(a *Assignment) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.Contains(e.held, a) {
		e.held = append(e.held, a)
		e.wakeWatch()
	}
}

// forgetPlaces is told that the places of an assignment are not ours any more.
// At the end of the run all places are let go: then those that are parked still
// count.
func (e *engine) forgetPlaces(a *Assignment) {
	e.mu.Lock()
	known := slices.Contains(e.held, a)
	if !e.ending {
		e.held = slices.DeleteFunc(e.held, func(held *Assignment) bool { return held == a })
	}
	ending := e.ending
	e.mu.Unlock()
	if !known || ending {
		return
	}
	parked, _ := a.listParked()
	for _, p := range parked {
		for _, place := range p.Places {
			e.Observer.ObservePlace(place, -1, nil)
		}
	}
	e.wakeWatch()
}

// listParked returns which places of ours are parked, and whether some are not.
func (e *engine) listParked() (parked []ParkedPlace, moving bool) {
	e.mu.Lock()
	held := slices.Clone(e.held)
	e.mu.Unlock()
	for _, a := range held {
		p, m := a.listParked()
		parked = append(parked, p...)
		moving = moving || m
	}
	return parked, moving
}

// beginEnd notes that the run ends: see forget.
func (e *engine) beginEnd() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ending = true
}

// wakeWatch makes watchPlaces look.
func (e *engine) wakeWatch() {
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// placesParked is told that places were parked that moved before.
func (e *engine) placesParked(places []string, at int64, err error) {
	if len(places) == 1 {
		e.Log.Error("place parked", "place", places[0], "offset", at, "tried_again", MayPass(err), "error", err)
	} else {
		e.Log.Error("places parked",
			"places", len(places), "first", places[0], "tried_again", MayPass(err), "error", err)
	}
	for _, place := range places {
		e.Observer.ObservePlace(place, at, err)
	}
	e.wakeWatch()
}

// placesGoOn is told that places were parked and go on.
func (e *engine) placesGoOn(places []string) {
	e.Log.Info("places go on", "places", len(places), "first", places[0])
	for _, place := range places {
		e.Observer.ObservePlace(place, -1, nil)
	}
	e.wakeWatch()
}

// watchPlaces ends the run when ctx is done, or when the exit rule says so, and
// reminds the log of parked places. It returns when the source has been served.
func (e *engine) watchPlaces(ctx context.Context, served <-chan struct{}, stop context.CancelCauseFunc) {
	var exit, remind alarm
	defer exit.stop()
	defer remind.stop()
	for {
		select {
		case <-served:
			return
		case <-ctx.Done():
			e.beginEnd()
			stop(context.Cause(ctx))
			return
		case <-e.changed:
		case <-e.Resume:
			e.resumePlaces()
		case <-remind.rings():
			remind.stop()
			if parked, _ := e.listParked(); len(parked) > 0 {
				e.Log.Error("places are parked", "causes", len(parked), "error", &ParkedError{parked})
			}
		case <-exit.rings():
			exit.stop()
			if parked, must := e.mustExit(); must {
				e.beginEnd()
				stop(&ParkedError{parked})
				return
			}
		}
		parked, must := e.mustExit()
		exit.set(must, addJitter(e.ExitAfter))
		remind.set(len(parked) > 0, remindEvery)
	}
}

// mustExit is the exit rule of a run without an end. The run ends if no place
// can go on and all places of the source are ours: otherwise its end would only
// hand the message on which it stands still to the next member of its group. It
// ends as well if the cause lies around this run and nothing has passed since
// the start.
func (e *engine) mustExit() (parked []ParkedPlace, must bool) {
	parked, moving := e.listParked()
	if len(parked) == 0 {
		return nil, false
	}
	around := !slices.ContainsFunc(parked, func(p ParkedPlace) bool { return !MayPass(p.Err) })
	return parked, around && !e.passed.Load() || !moving && e.Source.HoldsAll()
}

// addJitter returns d, a fifth more or less at random.
func addJitter(d time.Duration) time.Duration {
	return d - d/5 + rand.N(d/5*2+1)
}

// alarm is a timer that is set once and rings once. The zero alarm is not set.
type alarm struct{ timer *time.Timer }

// set sets the alarm to ring after d unless it is set already, or with a false
// on takes it back.
func (a *alarm) set(on bool, d time.Duration) {
	switch {
	case !on:
		a.stop()
	case a.timer == nil:
		a.timer = time.NewTimer(d)
	}
}

func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
}

// rings returns a channel that never has an element if the alarm is not set.
func (a *alarm) rings() <-chan time.Time {
	if a.timer == nil {
		return nil
	}
	return a.timer.C
}
