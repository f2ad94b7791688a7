package route

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Member is one of several routes of a process.
type Member struct {
	Name      string
	Direction string // encrypt, decrypt, verify, rewrap or convert
	Config    Config
}

// Open opens the route of a member: see Encrypt.
func Open(ctx context.Context, m Member, env Env) (*Route, error) {
	do, err := findDirection(m.Direction)
	if err != nil {
		return nil, err
	}
	return open(ctx, do, m.Config, env)
}

// Fault is why routes cannot run as they are configured.
type Fault struct {
	Route string // the name of the Member
	Field string // such as from, if the fault is about one
	Err   error  // a *hint.Error where there is something to be done about it
}

// CheckTogether finds the faults of several routes: those of each by itself,
// and two that write one thing, a cycle, or one that writes over a thing that
// another one reads. It opens nothing. memory is how much all of them take at
// least, in bytes: a lane each, besides that of the pool.
func CheckTogether(members []Member, env Env) (memory int64, faults []Fault) {
	env = env.complete()
	var plans []*memberPlan
	for _, m := range members {
		p, err := newMemberPlan(m, env)
		if err != nil {
			faults = append(faults, Fault{Route: m.Name, Field: fieldOf(err), Err: env.explain(err)})
			continue
		}
		if p.raw {
			memory += p.rawMemory()
		} else {
			memory += pipeline.Memory(p.pipelineOptions(), 1, 0)
		}
		plans = append(plans, p)
	}
	for i, b := range plans {
		for _, a := range plans[:i] {
			if f := findClash(a, b); f != nil {
				faults = append(faults, *f)
			}
		}
	}
	if f := findCycle(plans); f != nil {
		faults = append(faults, *f)
	}
	return memory, faults
}

type memberPlan struct {
	*plan
	name   string
	things []thing
}

func newMemberPlan(m Member, env Env) (*memberPlan, error) {
	do, err := findDirection(m.Direction)
	if err != nil {
		return nil, err
	}
	p, err := newPlan(do, m.Config, env)
	if err != nil {
		return nil, err
	}
	if p.source.Pipe || p.to != nil && p.sink.Pipe {
		role := "from"
		if !p.source.Pipe {
			role = "to"
		}
		return nil, hint.New(role+": standard input and output are not for one of several routes",
			"name a topic, a stream or a file")
	}
	member := &memberPlan{plan: p, name: m.Name, things: p.listThings()}
	for i := range member.things {
		if member.things[i].name == "to" && p.sink.MapTopic != nil {
			member.things[i].identity = p.identifyTopic()
		}
		if err := member.things[i].examineFile(); err != nil {
			return nil, err
		}
	}
	return member, nil
}

// identifyTopic identifies the topic that a sink writes to, if its name depends
// on that of the source; "" if the source has several.
func (p *plan) identifyTopic() string {
	if p.source.SeveralTopics || p.source.Context == "" {
		return ""
	}
	topic, err := p.sink.MapTopic(p.source.Context)
	if err != nil {
		return "" // the route finds that itself
	}
	return p.sink.Identity + " " + topic
}

// things of these names may belong to several routes.
var shareable = []string{"the dead letters", "the audit log", "the configuration file"}

// findClash finds a thing that two routes write, or that one writes and the
// other reads. One route may read the destination of another: that is a chain.
func findClash(a, b *memberPlan) *Fault {
	if b.From == a.From && b.do != verify && a.do != verify {
		return &Fault{b.name, "from", hint.New(
			fmt.Sprintf("from: routes %s and %s read the same, as the same reader", a.name, b.name),
			"give each a group= or consumer= of its own, or make one route of them")}
	}
	for i := range a.things {
		for j := range b.things {
			x, y := &a.things[i], &b.things[j]
			if !x.written && !y.written || !x.isSame(y) && !x.holds(y) && !y.holds(x) {
				continue
			}
			if x.name == "to" && y.name == "to" && x.path == "" && a.sink.Mapping != b.sink.Mapping {
				continue // other subjects of one stream
			}
			chained := x.name == "to" && y.name == "from" || x.name == "from" && y.name == "to"
			shared := slices.Contains(shareable, x.name) && slices.Contains(shareable, y.name) && x.path == ""
			if chained || shared || x.name == "the audit log" && y.name == x.name {
				continue
			}
			return describeClash(a, b, x, y)
		}
	}
	return nil
}

func describeClash(a, b *memberPlan, x, y *thing) *Fault {
	field := fieldOfThing(y.name)
	if x.name == y.name && x.written && y.written {
		return &Fault{b.name, field, hint.New(
			fmt.Sprintf("%s: routes %s and %s write the same", field, a.name, b.name),
			"give each route one of its own")}
	}
	return &Fault{b.name, field, hint.New(
		fmt.Sprintf("%s of route %s is %s of route %s", nameThing(y), b.name, nameThing(x), a.name),
		"nothing that a route reads or keeps may be written by another one; name another file or topic")}
}

func nameThing(t *thing) string {
	switch t.name {
	case "from":
		return "the source"
	case "to":
		return "the destination"
	}
	return t.name
}

// findCycle finds routes that hand messages on in a circle: each message would
// come again for ever, and be larger each time.
func findCycle(plans []*memberPlan) *Fault {
	follows := func(a, b *memberPlan) bool {
		return a.to != nil && a.sink.Identity != "" && a.sink.Identity == b.source.Identity
	}
	var seen map[*memberPlan]bool
	var walk func(path []*memberPlan) *Fault
	walk = func(path []*memberPlan) *Fault {
		for _, next := range plans {
			if !follows(path[len(path)-1], next) {
				continue
			}
			if next == path[0] {
				var names []string
				for _, p := range append(path, next) {
					names = append(names, p.name)
				}
				return &Fault{path[0].name, "to", hint.New(
					"to: a cycle of routes: "+strings.Join(names, ", "),
					"let the last of them write to a destination that none of them reads")}
			}
			if seen[next] {
				continue
			}
			seen[next] = true
			if f := walk(append(path, next)); f != nil {
				return f
			}
		}
		return nil
	}
	for _, p := range plans {
		seen = make(map[*memberPlan]bool)
		if f := walk([]*memberPlan{p}); f != nil {
			return f
		}
	}
	return nil
}

// fields are the beginnings of errors that are about a field of another name.
var fields = []struct{ beginning, field string }{
	{"dead letters", "dead-letter"}, {"the dead letters", "dead-letter"}, {"the checkpoint", "checkpoint"},
	{"the state", "state"}, {"the audit log", "audit"}, {"the key store", "keystore"}, {"key store", "keystore"},
	{"profile", "profile"}, {"old key", "old-key"}, {"old", "old-key"}, {"start=sealed", "from"}, {"key", "key"},
	{"no key", "key"}, {"signer", "signer"}, {"chunk size", "chunk-size"}, {"window", "window"},
}

// fieldOf returns the field that an error of a plan begins with, "" if it
// begins with none.
func fieldOf(err error) string { return fieldOfThing(err.Error()) }

func fieldOfThing(text string) string {
	for _, f := range fields {
		if strings.HasPrefix(text, f.beginning) {
			return f.field
		}
	}
	word, _, _ := strings.Cut(text, ":")
	word, _, _ = strings.Cut(word, " ")
	return word
}
