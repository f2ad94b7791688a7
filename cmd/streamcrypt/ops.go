package main

import (
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/alarm"
	"github.com/streamcrypt/streamcrypt/internal/ops"
	"github.com/streamcrypt/streamcrypt/internal/route"
	"github.com/streamcrypt/streamcrypt/internal/traces"
)

// opsFlags say where a command tells of itself while it runs.
type opsFlags struct {
	Ops         string `placeholder:"ADDRESS" group:"Operations" help:"Serve /healthz, /readyz, /metrics (Prometheus) and a status page at HOST:PORT, such as 127.0.0.1:9464."`
	OpsCert     string `placeholder:"FILE" group:"Operations" complete:"path" help:"Certificate of that server, in PEM; needed beyond loopback."`
	OpsKey      string `placeholder:"FILE" group:"Operations" complete:"path" help:"Key of that certificate."`
	OpsToken    string `name:"ops-token-file" placeholder:"FILE" group:"Operations" complete:"path" help:"File with the token that requests must carry; needed beyond loopback."`
	AlarmLog    bool   `group:"Operations" help:"Raise alarms in the log, also with none of the next flags."`
	AlarmHook   string `name:"alarm-webhook" placeholder:"URL" group:"Operations" help:"Post alarms as JSON to this URL of https."`
	AlarmToken  string `name:"alarm-webhook-token" placeholder:"FILE" group:"Operations" complete:"path" help:"File with a bearer token for that URL."`
	AlarmSNMP   string `name:"alarm-snmp" placeholder:"FILE" group:"Operations" complete:"path" help:"Send alarms as SNMPv3 INFORMs, to the receiver that this file of YAML names."`
	Otel        string `placeholder:"URL" group:"Operations" help:"Send OpenTelemetry traces to the collector at this URL, such as http://127.0.0.1:4318 (OTLP over HTTP); https beyond loopback."`
	OpsProfiles bool   `name:"ops-pprof" group:"Operations" help:"Serve /debug/pprof as well."`
}

func (f *opsFlags) readOptions() ops.Options {
	return ops.Options{
		Address: f.Ops, Certificate: f.OpsCert, Key: f.OpsKey, TokenFile: f.OpsToken, Profiles: f.OpsProfiles,
	}
}

// readAlarms returns who is told of alarms.
func (f *opsFlags) readAlarms(instance string) alarm.Config {
	return alarm.Config{
		Log: f.AlarmLog, Webhook: f.AlarmHook, WebhookToken: f.AlarmToken, SNMP: f.AlarmSNMP, Instance: instance,
	}
}

// startTraces begins to send traces, if there are to be any, and returns a
// function that follows routes; nil if there are none. stop sends the last
// ones.
func (p *program) startTraces(f *opsFlags, instance string) (follow followFunc, stop func(), err error) {
	if f.Otel == "" {
		return nil, func() {}, nil
	}
	o := f.readTraces()
	o.Version, o.Instance, o.Log = readBuild().Version, instance, p.log()
	t, err := traces.Start(o)
	if err != nil {
		return nil, nil, err
	}
	return func(name, direction string) route.Tracer { return t.NewRoute(name, direction) }, t.Close, nil
}

// followFunc is the type of route.Env.Follow.
type followFunc = func(name, direction string) route.Tracer

// readTraces returns where traces go.
func (f *opsFlags) readTraces() traces.Options { return traces.Options{Endpoint: f.Otel} }

// opsRoute is the one route of this process, as the ops server tells of it.
type opsRoute struct {
	server *ops.Server    // nil without one
	alarms *alarm.Watcher // likewise
	mu     sync.Mutex
	now    ops.Route
}

// startOps starts the ops server, if there is to be one, before the route is
// opened: a route that waits for a broker says so.
func (p *program) startOps(c *route.Config, f *opsFlags) (*opsRoute, error) {
	o, alarms := f.readOptions(), f.readAlarms(nameInstance(c.Instance))
	if o.IsZero() && alarms.IsZero() {
		return &opsRoute{}, nil
	}
	senders, err := alarms.OpenSenders(p.log())
	if err != nil {
		return nil, err
	}
	told := &opsRoute{now: ops.Route{
		Name: route.NameOf(p.command, *c, p.newEnv()), Direction: p.command, Phase: ops.Opening, Since: time.Now(),
	}}
	told.now.From, told.now.To = route.NamesOfEnds(*c, p.newEnv())
	if !o.IsZero() {
		if err := told.startServer(p, o); err != nil {
			return nil, err
		}
	}
	if !alarms.IsZero() {
		told.alarms = alarm.Start(alarm.Options{Routes: told.listWatched, Senders: senders, Log: p.log()})
	}
	return told, nil
}

// listWatched returns the route for alarms.
func (o *opsRoute) listWatched() []alarm.Route {
	r := o.readRoute()
	return []alarm.Route{{Name: r.Name, Watch: r.Watch}}
}

func (o *opsRoute) startServer(p *program, options ops.Options) (err error) {
	o.server, err = ops.Start(p.ctx, options, ops.Source{
		Version: readBuild().Version, Log: p.log(), Hint: findHint,
		Routes: func() []ops.Route { return []ops.Route{o.readRoute()} },
	})
	return err
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

// stopServer ends the server and the alarms, the last of which are sent before.
func (o *opsRoute) stopServer() {
	if o.alarms != nil {
		o.alarms.Close()
	}
	if o.server != nil {
		_ = o.server.Close() // the process ends, and has told of its route
	}
}
