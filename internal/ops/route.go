package ops

import (
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// Phase says where a route is in its life.
type Phase string

// The phases.
const (
	Opening Phase = "opening" // brokers or key services may be away
	Running Phase = "running"
	Ended   Phase = "ended"   // it was told to end
	Waiting Phase = "waiting" // it has failed, and is started again
	Failed  Phase = "failed"
	Done    Phase = "done" // it has carried everything
)

var phases = []string{
	string(Opening), string(Running), string(Ended), string(Waiting), string(Failed), string(Done),
}

// Route holds everything that the server tells of a route.
type Route struct {
	Name      string // as in logs
	Direction string // encrypt, decrypt, verify, rewrap or convert
	From, To  string // names of the ends
	Phase     Phase
	Since     time.Time // when the phase began
	// Failure is why a route that waits or has failed does not run.
	Failure error
	// Memory is how much the route may use, in bytes; 0 if it is not known yet.
	Memory int64
	// Watch has the figures; nil while there are none.
	Watch *watch.Route
	// Resume has places go on that a breaker has stopped; nil while there is
	// none.
	Resume func()
}

// awayBound is how long brokers may be away before the route counts as not
// ready. Brokers that are restarted one after the other come back sooner.
const awayBound = 30 * time.Second

// maxReasons is how many reasons against readiness are named.
const maxReasons = 20

// reasonsAgainst returns why a route does not carry messages; none if it does.
func (r *Route) reasonsAgainst() []string {
	if r.Phase == Done {
		return nil
	}
	if r.Failure != nil {
		return []string{fmt.Sprintf("the route is %s: %v", r.Phase, r.Failure)}
	}
	if r.Phase != Running {
		return []string{"the route is " + string(r.Phase)}
	}
	if r.Watch == nil {
		return nil
	}
	var reasons []string
	if n := r.Watch.Totals().Parked; n > 0 {
		reasons = append(reasons, fmt.Sprintf("%d places are parked", n))
	}
	if since := r.Watch.Traffic().AwaySince; !since.IsZero() && time.Since(since) > awayBound {
		reasons = append(reasons, "brokers have been away since "+since.UTC().Format(time.RFC3339))
	}
	for _, s := range r.Watch.StuckPlaces() {
		if len(reasons) == maxReasons {
			return reasons
		}
		reasons = append(reasons, fmt.Sprintf("%s is stuck since %s", s.Name, s.Since.UTC().Format(time.RFC3339)))
	}
	for _, k := range r.Watch.Keys() {
		if len(reasons) == maxReasons {
			return reasons
		}
		if k.State == kekcache.Restricted {
			reasons = append(reasons, fmt.Sprintf("keys for %s of %q are restricted", k.Side, k.Context))
		}
	}
	return reasons
}
