package alarm

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/watch"
)

const (
	// lookEvery is how often the routes are looked at.
	lookEvery = time.Second
	// pause is the shortest time between two alarms of one kind of one route: a
	// cause that comes and goes is told of once.
	pause = 5 * time.Minute
	// calm is how long no message must have come again for the replay to be
	// over.
	calm = 10 * time.Minute
	// closing is how long the last alarms of a process may take.
	closing = 5 * time.Second
)

// Route is a route that is watched.
type Route struct {
	Name  string
	Watch *watch.Route // nil while there are no figures
}

// Options name the routes that are watched, and the ways to tell of them.
type Options struct {
	// Routes returns all routes of the process. It is called each second.
	Routes  func() []Route
	Senders []Sender
	Log     *slog.Logger
}

// Watcher watches routes until it is closed.
type Watcher struct {
	o      Options
	queues []*queue
	stop   context.CancelFunc
	all    sync.WaitGroup
	states map[stateName]*state
	replay map[string]*replay
}

type stateName struct {
	route string
	kind  Kind
}

// state is how one kind of alarm of one route stands.
type state struct {
	told     bool // an alarm was raised, and not cleared
	toldLast time.Time
	since    time.Time
	last     finding
}

// replay is the count of a route's gates at the last look. The figures of a
// route that is opened again are others, and begin at zero.
type replay struct {
	figures      *watch.Route
	count, first int64
	grew         time.Time // zero: not since the start
}

// Start watches routes from now on. The log is always told.
func Start(o Options) *Watcher {
	ctx, stop := context.WithCancel(context.Background())
	w := &Watcher{
		o: o, stop: stop, states: make(map[stateName]*state), replay: make(map[string]*replay),
	}
	for _, s := range o.Senders {
		q := newQueue(s, o.Log)
		w.queues = append(w.queues, q)
	}
	w.all.Go(func() { w.lookOften(ctx) })
	return w
}

// Close looks once more, waits a few seconds until everything has been told,
// and ends.
func (w *Watcher) Close() {
	w.stop()
	w.all.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	var ends sync.WaitGroup
	for _, q := range w.queues {
		ends.Go(func() { q.finish(ctx) })
	}
	ends.Wait()
}

func (w *Watcher) lookOften(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.lookAround(time.Now())
		case <-ctx.Done():
			w.lookAround(time.Now())
			return
		}
	}
}

// lookAround looks at all routes, and tells of changes.
func (w *Watcher) lookAround(now time.Time) {
	routes := w.o.Routes()
	w.forgetOthers(routes, now)
	for _, r := range routes {
		if r.Watch == nil {
			continue
		}
		found := lookAt(r.Watch)
		w.lookForReplay(&r, found, now)
		for _, kind := range kinds {
			w.compare(stateName{r.Name, kind}, found[kind], now)
		}
	}
}

// forgetOthers clears the alarms of routes that are not there any more.
func (w *Watcher) forgetOthers(routes []Route, now time.Time) {
	isThere := func(name string) bool {
		return slices.ContainsFunc(routes, func(r Route) bool { return r.Name == name })
	}
	for name := range w.states {
		if !isThere(name.route) {
			w.compare(name, finding{}, now)
			delete(w.states, name)
		}
	}
	maps.DeleteFunc(w.replay, func(name string, _ *replay) bool { return !isThere(name) })
}

// lookForReplay adds to found that messages come again.
func (w *Watcher) lookForReplay(r *Route, found findings, now time.Time) {
	seen := w.replay[r.Name]
	if seen == nil {
		seen = new(replay)
		w.replay[r.Name] = seen
	}
	if seen.figures != r.Watch {
		seen.figures, seen.first, seen.count = r.Watch, seen.first-seen.count, 0
	}
	count := countReplays(r.Watch)
	if seen.grew.IsZero() || now.Sub(seen.grew) > calm {
		seen.first = seen.count
	}
	if count > seen.count {
		seen.grew = now
	}
	seen.count = count
	if !seen.grew.IsZero() && now.Sub(seen.grew) <= calm {
		found[Replay] = finding{int(count - seen.first), r.Name, "messages came again, or lie in another partition"}
	}
}

// compare tells of one kind of alarm if it stands otherwise than before.
// Missing keys that have another cause by now are told of again: the service
// that the first alarm names may have come back.
func (w *Watcher) compare(name stateName, found finding, now time.Time) {
	s := w.states[name]
	if s == nil {
		if found.count == 0 {
			return
		}
		s = new(state)
		w.states[name] = s
	}
	switch on := found.count > 0; {
	case on && !s.told && (s.toldLast.IsZero() || now.Sub(s.toldLast) >= pause):
		s.told, s.toldLast, s.since, s.last = true, now, now, found
	case on && s.told && name.kind == Restricted && found.text != s.last.text && now.Sub(s.toldLast) >= pause:
		s.toldLast, s.last = now, found // another cause, for another person
	case !on && s.told:
		s.told = false
	default:
		return
	}
	w.tell(Alarm{
		Kind: name.kind, Route: name.route, Raised: s.told, Since: s.since,
		Subject: s.last.subject, Count: s.last.count, Text: s.last.text,
	})
}

// tell gives an alarm to the log and to all senders.
func (w *Watcher) tell(a Alarm) {
	level, text := slog.LevelError, "alarm"
	if !a.Raised {
		level, text = slog.LevelInfo, "alarm cleared"
	}
	w.o.Log.Log(context.Background(), level, text,
		"kind", string(a.Kind), "alarm_route", a.Route, "subject", a.Subject, "count", a.Count, "cause", a.Text)
	for _, q := range w.queues {
		if lost := q.put(a); lost {
			w.o.Log.Error("an alarm was dropped, since its queue is full", "way", q.sender.Name(),
				"alarm", fmt.Sprintf("%s of %s %s", a.Kind, a.Route, a.State()))
		}
	}
}
