package pipeline

import "slices"

// Add adds a place that joins the lane while that may be served. The first
// batch with something of the place names it among its Starts; a lane that is
// made later names it in Start.
func (a *Assignment) Add(place string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.places[place] != nil {
		return
	}
	a.places[place] = new(standstill)
	a.names = append(a.names, place)
}

// Remove forgets a place that leaves the lane. Everything of it that was read
// has been committed by then, or the lane has ended since.
func (a *Assignment) Remove(place string) {
	a.mu.Lock()
	s := a.places[place]
	if s == nil {
		a.mu.Unlock()
		return
	}
	parked := s.err != nil || a.whole.err != nil
	if s.trial {
		a.tried.Add(-1)
	}
	s.stopTimer()
	delete(a.places, place)
	a.names = slices.DeleteFunc(a.names, func(name string) bool { return name == place })
	run := a.run
	a.mu.Unlock()
	if run != nil && parked {
		run.Observer.ObservePlace(place, -1, nil)
		run.wakeWatch()
	}
}
