// Package alarm tells people of routes that need somebody: by the log, by a
// webhook, and by SNMPv3 INFORMs.
//
//	alarm.go    alarms, and how a route comes to raise them
//	watcher.go  looks at the routes each second, and limits the rate
//	sender.go   one bounded queue for each way, and tries again
//	webhook.go  a POST of JSON
//	snmp.go     an INFORM, as docs/STREAMCRYPT-MIB.txt describes it
//	config.go   the files and URLs that say where to
//
// It reads package watch and asks nothing of a running route, so that alarms
// cost a route nothing. An alarm carries names of routes, places and keys and
// the texts of errors, and nothing of a message.
//
// The package must not know how a route works, nor decide anything about one.
package alarm

import (
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// Kind names a cause of alarms.
type Kind string

// The kinds of alarm. Their order is that of the notifications in the MIB.
const (
	Breaker    Kind = "breaker"    // the decrypt breaker of a place is open
	Parked     Kind = "parked"     // a place stands still for another cause
	Restricted Kind = "restricted" // no key can be had
	Stuck      Kind = "stuck"      // something is waited for that may never come
	AuditAway  Kind = "audit-away" // the audit log cannot be written
	Replay     Kind = "replay"     // messages came again, or lie where they do not belong
)

// kinds are all Kinds, in the order of the MIB.
var kinds = []Kind{Breaker, Parked, Restricted, Stuck, AuditAway, Replay}

// Alarm says that a route needs somebody, or that it does not any more.
type Alarm struct {
	Kind  Kind
	Route string
	// Raised is false when the cause is gone.
	Raised bool
	Since  time.Time // when it was raised
	// Subject is the name of the first place, key context or other thing that
	// it is about, Count how many there are, and Text why.
	Subject string
	Count   int
	Text    string
}

// State is the word for Raised.
func (a *Alarm) State() string {
	if a.Raised {
		return "raised"
	}
	return "cleared"
}

// finding is everything that one look has found of one Kind.
type finding struct {
	count   int
	subject string
	text    string
}

// findings are the findings of one look at one route.
type findings map[Kind]finding

func (f findings) addOne(k Kind, subject, text string) {
	found := f[k]
	if found.count++; found.count == 1 {
		found.subject, found.text = subject, text
	}
	f[k] = found
}

// maxLooked is how many parked places a look takes in.
const maxLooked = 1000

// lookAt returns everything about a route that somebody should know, but for
// replays, which only a change shows.
func lookAt(w *watch.Route) findings {
	found := make(findings)
	for _, p := range w.Standing(maxLooked) {
		switch {
		case p.Parked == nil:
			found.addOne(Parked, p.Name, "the place is parked")
		case isResumable(p.Parked):
			found.addOne(Breaker, p.Name, p.Parked.Error())
		case isAudit(p.Parked):
			found.addOne(AuditAway, p.Name, p.Parked.Error())
		default:
			found.addOne(Parked, p.Name, p.Parked.Error())
		}
	}
	for _, s := range w.StuckPlaces() {
		found.addOne(Stuck, s.Name, s.WaitsFor.Error())
	}
	for _, k := range w.Keys() {
		if k.State == kekcache.Normal || k.Cause == nil {
			continue
		}
		if isAudit(k.Cause) {
			found.addOne(AuditAway, k.Context, k.Cause.Error())
		} else if k.State == kekcache.Restricted {
			found.addOne(Restricted, k.Context, fmt.Sprintf("no key for %s: %v", k.Side, k.Cause))
		}
	}
	return found
}

// countReplays returns how many messages came again or lie elsewhere.
func countReplays(w *watch.Route) int64 { return w.Gates.Duplicates.Load() + w.Gates.Foreign.Load() }

func isResumable(err error) bool {
	var marked interface{ Resumable() bool }
	return errors.As(err, &marked) && marked.Resumable()
}

// isAudit tells whether an error says that the audit log cannot be written.
func isAudit(err error) bool {
	var marked interface{ AuditAway() bool }
	return errors.As(err, &marked) && marked.AuditAway()
}
