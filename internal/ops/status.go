package ops

import (
	"maps"
	"slices"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// status is the content of /status.json, which the page shows.
type status struct {
	Version string    `json:"version"`
	Now     time.Time `json:"now"`
	// Configuration is the file that the routes come from, if there is one.
	Configuration *Configuration `json:"configuration,omitempty"`
	Routes        []routeStatus  `json:"routes"`
}

type routeStatus struct {
	Name      string    `json:"name"`
	Direction string    `json:"direction"`
	From      string    `json:"from"`
	To        string    `json:"to,omitempty"`
	Phase     Phase     `json:"phase"`
	Since     time.Time `json:"since"`
	// Against are the reasons why the route is not ready.
	Against []string `json:"not_ready_because,omitempty"`

	counts
	Lag      *int64           `json:"lag,omitempty"`
	Findings map[string]int64 `json:"findings,omitempty"`
	Reasons  map[string]int64 `json:"rejected_by_reason,omitempty"`
	Keys     []keyStatus      `json:"keys,omitempty"`
	Places   []placeStatus    `json:"places,omitempty"`
	// Others counts the messages of places without figures of their own.
	Others int64 `json:"messages_of_other_places,omitempty"`
}

type counts struct {
	Read     int64 `json:"messages"`
	Written  int64 `json:"written"`
	Skipped  int64 `json:"skipped"`
	Rejected int64 `json:"rejected"`
	BytesIn  int64 `json:"bytes_in"`
	BytesOut int64 `json:"bytes_out"`
}

func countsOf(f *watch.Figures) counts {
	return counts{f.Read, f.Written, f.Skipped, f.RejectedTotal(), f.BytesIn, f.BytesOut}
}

type keyStatus struct {
	Side    kekcache.Side `json:"side"`
	Context string        `json:"context"`
	State   string        `json:"state"`
	Since   *time.Time    `json:"since,omitempty"`
	Cause   string        `json:"cause,omitempty"`
	// Opened and Closed count data keys.
	Opened int64 `json:"windows_opened"`
	Closed int64 `json:"windows_closed"`
	// Age is that of the latest data key in use, in seconds.
	Age *float64 `json:"key_age_seconds,omitempty"`
	// Refused counts data keys that no KEK unwraps.
	Refused int64 `json:"unwraps_refused"`
}

type placeStatus struct {
	Name string `json:"name"`
	counts
	Next int64  `json:"next"`
	Lag  *int64 `json:"lag,omitempty"`
	// Parked is why the place stands still.
	Parked   string     `json:"parked,omitempty"`
	ParkedAt *int64     `json:"parked_at,omitempty"`
	Since    *time.Time `json:"parked_since,omitempty"`
	Hint     string     `json:"hint,omitempty"`
}

// renderStatus looks at all routes.
func (s *Server) renderStatus() *status {
	answer := &status{Version: s.source.Version, Now: time.Now().UTC(), Routes: []routeStatus{}}
	for _, r := range s.source.Routes() {
		answer.Routes = append(answer.Routes, s.describeRoute(&r))
	}
	if s.source.Configuration != nil {
		file := s.source.Configuration()
		answer.Configuration = &file
	}
	return answer
}

func (s *Server) describeRoute(r *Route) routeStatus {
	told := routeStatus{
		Name: r.Name, Direction: r.Direction, From: r.From, To: r.To, Phase: r.Phase, Since: r.Since.UTC(),
		Against: r.reasonsAgainst(),
	}
	if r.Watch == nil {
		return told
	}
	own, rest := r.Watch.Places()
	told.Others = rest.Read
	for i := range own {
		told.Places = append(told.Places, s.describePlace(&own[i]))
	}
	putParkedFirst(told.Places)
	totals := r.Watch.Totals()
	told.counts = countsOf(&totals.Figures)
	told.Lag = knownOr(r.Watch.Lag())
	for reason, n := range totals.Rejected {
		if told.Reasons == nil {
			told.Reasons = make(map[string]int64)
		}
		told.Reasons[string(reason)] = n
	}
	told.Findings = countFindings(r.Watch)
	maps.DeleteFunc(told.Findings, func(_ string, n int64) bool { return n == 0 })
	for _, k := range r.Watch.Keys() {
		told.Keys = append(told.Keys, describeKey(&k))
	}
	return told
}

// countFindings returns how many observations the gates have made, by kind.
func countFindings(w *watch.Route) map[string]int64 {
	g := &w.Gates
	return map[string]int64{
		"duplicate": g.Duplicates.Load(), "gap": g.Gaps.Load(), "reordered": g.Reordered.Load(),
		"foreign-record": g.Foreign.Load(), "unplaced": g.Unplaced.Load(), "untracked": g.Untracked.Load(),
		"extra-header": g.ExtraHeaders.Load(),
	}
}

func (s *Server) describePlace(p *watch.Place) placeStatus {
	told := placeStatus{Name: p.Name, counts: countsOf(&p.Figures), Next: p.Next, Lag: knownOr(p.Lag)}
	if p.Parked != nil {
		since := p.Since.UTC()
		told.Parked, told.ParkedAt, told.Since = p.Parked.Error(), knownOr(p.ParkedAt), &since
		if s.source.Hint != nil {
			told.Hint = s.source.Hint(p.Parked)
		}
	}
	return told
}

func describeKey(k *watch.KeyFigures) keyStatus {
	s := keyStatus{
		Side: k.Side, Context: k.Context, State: k.State.String(),
		Opened: k.Events[kekcache.OpWindowOpened], Closed: k.Events[kekcache.OpWindowClosed],
		Refused: k.Events[kekcache.OpUnwrapRefused],
	}
	if k.OpenKeys() > 0 {
		age := secondsSince(k.Opened)
		s.Age = &age
	}
	if k.State != kekcache.Normal {
		since := k.Since.UTC()
		s.Since = &since
		if k.Cause != nil {
			s.Cause = k.Cause.Error()
		}
	}
	return s
}

func knownOr(n int64) *int64 {
	if n == watch.Unknown {
		return nil
	}
	return &n
}

// putParkedFirst puts the places in front that need somebody.
func putParkedFirst(places []placeStatus) {
	slices.SortStableFunc(places, func(a, b placeStatus) int {
		switch {
		case (a.Parked != "") == (b.Parked != ""):
			return 0
		case a.Parked != "":
			return -1
		}
		return 1
	})
}
