package main

import (
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/ops"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// opsFlags say where a command tells of itself while it runs.
type opsFlags struct {
	Ops         string `placeholder:"ADDRESS" group:"Operations" help:"Serve /healthz, /readyz, /metrics (Prometheus) and a status page at HOST:PORT, such as 127.0.0.1:9464."`
	OpsCert     string `placeholder:"FILE" group:"Operations" complete:"path" help:"Certificate of that server, in PEM; needed beyond loopback."`
	OpsKey      string `placeholder:"FILE" group:"Operations" complete:"path" help:"Key of that certificate."`
	OpsToken    string `name:"ops-token-file" placeholder:"FILE" group:"Operations" complete:"path" help:"File with the token that requests must carry; needed beyond loopback."`
	OpsProfiles bool   `name:"ops-pprof" group:"Operations" help:"Serve /debug/pprof as well."`
}

func (f *opsFlags) readOptions() ops.Options {
	return ops.Options{
		Address: f.Ops, Certificate: f.OpsCert, Key: f.OpsKey, TokenFile: f.OpsToken, Profiles: f.OpsProfiles,
	}
}

// opsRoute is the one route of this process, as the ops server tells of it.
type opsRoute struct {
	server *ops.Server // nil without one
	mu     sync.Mutex
	now    ops.Route
}

// startOps starts the ops server, if there is to be one, before the route is
// opened: a route that waits for a broker says so.
func (p *program) startOps(c *route.Config, f *opsFlags) (*opsRoute, error) {
	o := f.readOptions()
	if o.IsZero() {
		return &opsRoute{}, nil
	}
	told := &opsRoute{now: ops.Route{
		Name: route.NameOf(p.command, *c, p.newEnv()), Direction: p.command, Phase: ops.Opening, Since: time.Now(),
	}}
	told.now.From, told.now.To = route.NamesOfEnds(*c, p.newEnv())
	var err error
	told.server, err = ops.Start(p.ctx, o, ops.Source{
		Version: readBuild().Version, Log: p.log(), Routes: func() []ops.Route { return []ops.Route{told.readRoute()} },
	})
	return told, err
}

func (o *opsRoute) readRoute() ops.Route {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

// enterPhase notes that the route is in another phase of its life.
func (o *opsRoute) enterPhase(phase ops.Phase, r *route.Route) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now.Phase, o.now.Since = phase, time.Now()
	o.now.Memory, o.now.Watch = r.About().Memory, r.ReadFigures()
	if r.HasBreaker() {
		o.now.Resume = r.Resume
	}
}

// stopServer ends the server.
func (o *opsRoute) stopServer() {
	if o.server != nil {
		_ = o.server.Close() // the process ends, and has told of its route
	}
}
