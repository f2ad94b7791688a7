package watch

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys/guard"
)

// MaxKeys is how many key contexts, kinds of call and breakers have figures of
// their own. More of them are not counted, so that names from outside cannot
// use up memory.
const MaxKeys = 1000

// KeyUse names the use of the keys of one context.
type KeyUse struct {
	Side    kekcache.Side
	Context string
}

// KeyFigures are the state and the counts of one KeyUse.
type KeyFigures struct {
	KeyUse
	// State is how keys can be had, since when, and why it is not Normal.
	State kekcache.State
	Since time.Time
	Cause error
	// Events counts the begins and ends of data keys, by kind.
	Events map[kekcache.Op]int64
	// Messages and Bytes were sealed under data keys that are closed.
	Messages, Bytes uint64
	// Opened is when the latest data key was made that messages are sealed
	// under; zero if there was none.
	Opened time.Time
	// Ages and Uses are of data keys that are closed: how long they were in
	// use, in seconds, and for how many messages.
	Ages, Uses Histogram
}

// OpenKeys returns how many data keys are in use.
func (k *KeyFigures) OpenKeys() int64 {
	return max(0, k.Events[kekcache.OpWindowOpened]-k.Events[kekcache.OpWindowClosed])
}

// CallKind names one kind of call of a key service or a key store.
type CallKind struct {
	Side    kekcache.Side
	Op      string
	Key     string // empty for a store
	Outcome kekcache.Outcome
}

// CallFigures count the calls of one CallKind.
type CallFigures struct {
	CallKind
	Calls int64
	Took  time.Duration // by all of them together
}

// CallTimes are how long calls took, whichever key they were for.
type CallTimes struct {
	Side    kekcache.Side
	Op      string
	Outcome kekcache.Outcome
	Seconds Histogram
}

// callGroup names the calls of one CallTimes.
type callGroup struct {
	side    kekcache.Side
	op      string
	outcome kekcache.Outcome
}

// Breaker is how the breaker in front of one key stands.
type Breaker struct {
	Key     string
	State   guard.State
	Since   time.Time
	Refused int64         // calls that were not made because it was open
	Delayed int64         // calls that waited for the rate
	Waited  time.Duration // by all of them together
}

// keyFigures are the figures of a Route's keys.
type keyFigures struct {
	mu       sync.Mutex
	uses     map[KeyUse]*KeyFigures
	calls    map[CallKind]*CallFigures
	times    map[callGroup]*Histogram
	breakers map[string]*Breaker
}

var (
	_ kekcache.Observer = (*Route)(nil)
	_ guard.Observer    = (*Route)(nil)
)

// figuresFor returns the figures of a key in m, which it makes, or nil if there
// are too many.
func figuresFor[K comparable, V any](m *map[K]*V, key K, build func() *V) *V {
	v := (*m)[key]
	if v == nil && len(*m) < MaxKeys {
		if *m == nil {
			*m = make(map[K]*V)
		}
		v = build()
		(*m)[key] = v
	}
	return v
}

func (k *keyFigures) use(side kekcache.Side, context string) *KeyFigures {
	u := KeyUse{side, context}
	return figuresFor(&k.uses, u, func() *KeyFigures {
		return &KeyFigures{KeyUse: u, Events: make(map[kekcache.Op]int64)}
	})
}

func (k *keyFigures) breaker(key string) *Breaker {
	return figuresFor(&k.breakers, key, func() *Breaker { return &Breaker{Key: key} })
}

// KeyState implements kekcache.Observer.
func (r *Route) KeyState(c kekcache.StateChange) {
	r.keys.mu.Lock()
	defer r.keys.mu.Unlock()
	if u := r.keys.use(c.Side, c.Context); u != nil {
		if u.State != c.State || u.Since.IsZero() { // and not another cause alone
			u.Since = time.Now()
		}
		u.State, u.Cause = c.State, c.Cause
	}
}

// KeyEvent implements kekcache.Observer.
func (r *Route) KeyEvent(e kekcache.KeyEvent) {
	r.keys.mu.Lock()
	defer r.keys.mu.Unlock()
	if u := r.keys.use(e.Side, e.Context); u != nil {
		u.Events[e.Op]++
		u.Messages += e.Messages
		u.Bytes += e.Bytes
		switch e.Op { //nolint:exhaustive // the others are counted, and no more
		case kekcache.OpWindowOpened:
			u.Opened = time.Now()
		case kekcache.OpWindowClosed:
			u.Ages.addValue(AgeBounds, e.Age.Seconds())
			u.Uses.addValue(UseBounds, float64(e.Messages))
		}
	}
}

// KeyCall implements kekcache.Observer.
func (r *Route) KeyCall(c kekcache.KeyCall) {
	r.keys.mu.Lock()
	defer r.keys.mu.Unlock()
	kind := CallKind{c.Side, c.Op, c.Key, c.Outcome}
	if f := figuresFor(&r.keys.calls, kind, func() *CallFigures { return &CallFigures{CallKind: kind} }); f != nil {
		f.Calls++
		f.Took += c.Took
	}
	group := callGroup{c.Side, c.Op, c.Outcome}
	if h := figuresFor(&r.keys.times, group, func() *Histogram { return new(Histogram) }); h != nil {
		h.addValue(CallBounds, c.Took.Seconds())
	}
}

// BreakerState implements guard.Observer.
func (r *Route) BreakerState(key string, s guard.State) {
	r.keys.mu.Lock()
	defer r.keys.mu.Unlock()
	if b := r.keys.breaker(key); b != nil {
		b.State, b.Since = s, time.Now()
	}
}

// CallRefused implements guard.Observer.
func (r *Route) CallRefused(key string) {
	r.keys.mu.Lock()
	defer r.keys.mu.Unlock()
	if b := r.keys.breaker(key); b != nil {
		b.Refused++
	}
}

// CallDelayed implements guard.Observer.
func (r *Route) CallDelayed(key string, waited time.Duration) {
	r.keys.mu.Lock()
	defer r.keys.mu.Unlock()
	if b := r.keys.breaker(key); b != nil {
		b.Delayed++
		b.Waited += waited
	}
}

// Keys returns the figures of all uses of keys, by side and context.
func (r *Route) Keys() []KeyFigures {
	r.keys.mu.Lock()
	defer r.keys.mu.Unlock()
	out := make([]KeyFigures, 0, len(r.keys.uses))
	for _, u := range r.keys.uses {
		c := *u
		c.Events, c.Ages, c.Uses = maps.Clone(u.Events), u.Ages.copy(), u.Uses.copy()
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b KeyFigures) int {
		return cmp.Or(cmp.Compare(a.Side, b.Side), cmp.Compare(a.Context, b.Context))
	})
	return out
}

// Calls returns the counts of all kinds of call, in a fixed order.
func (r *Route) Calls() []CallFigures {
	r.keys.mu.Lock()
	defer r.keys.mu.Unlock()
	out := make([]CallFigures, 0, len(r.keys.calls))
	for _, f := range r.keys.calls {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b CallFigures) int {
		return cmp.Or(cmp.Compare(a.Side, b.Side), cmp.Compare(a.Op, b.Op), cmp.Compare(a.Key, b.Key),
			cmp.Compare(a.Outcome, b.Outcome))
	})
	return out
}

// CallTimes returns how long calls took, in a fixed order.
func (r *Route) CallTimes() []CallTimes {
	r.keys.mu.Lock()
	defer r.keys.mu.Unlock()
	out := make([]CallTimes, 0, len(r.keys.times))
	for g, h := range r.keys.times {
		out = append(out, CallTimes{g.side, g.op, g.outcome, h.copy()})
	}
	slices.SortFunc(out, func(a, b CallTimes) int {
		return cmp.Or(cmp.Compare(a.Side, b.Side), cmp.Compare(a.Op, b.Op), cmp.Compare(a.Outcome, b.Outcome))
	})
	return out
}

// Breakers returns how all breakers stand, by key.
func (r *Route) Breakers() []Breaker {
	r.keys.mu.Lock()
	defer r.keys.mu.Unlock()
	out := make([]Breaker, 0, len(r.keys.breakers))
	for _, b := range r.keys.breakers {
		out = append(out, *b)
	}
	slices.SortFunc(out, func(a, b Breaker) int { return cmp.Compare(a.Key, b.Key) })
	return out
}
