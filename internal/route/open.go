package route

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/streamcrypt/streamcrypt/internal/audit"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/all"
)

// open reads the configuration and opens the route. Everything that was opened
// before an error is closed.
func open(ctx context.Context, do direction, c Config, env Env) (*Route, error) {
	env = env.complete()
	p, err := newPlan(do, c, env)
	if err != nil {
		return nil, env.explain(err)
	}
	r := &Route{env: env, about: p.describeRoute(), keep: p.contextToKeep()}
	p.followRoute()
	p.claim = env.Memory.NewClaim()
	r.closers.add(func() error {
		p.claim.Release()
		return nil
	})
	if err = p.openAudit(&r.closers); err == nil {
		err = p.loadFiles()
	}
	switch {
	case err != nil:
	case p.raw:
		r.job, err = openRaw(ctx, p, &r.closers)
	default:
		r.job, err = openRecords(ctx, p, &r.closers)
	}
	if err != nil {
		return nil, env.explain(errors.Join(err, r.closers.close()))
	}
	return r, nil
}

// complete fills in the process's own.
func (e Env) complete() Env {
	if e.Log == nil {
		e.Log = slog.Default()
	}
	if e.Stdin == nil {
		e.Stdin = os.Stdin
	}
	if e.Stdout == nil {
		e.Stdout = os.Stdout
	}
	if e.Endpoints == nil {
		e.Endpoints = all.Table()
	}
	return e
}

// tellOpen logs that the route is open, and how much memory it may take.
func (p *plan) tellOpen(memory int64) {
	p.env.Log.Info("route open",
		"direction", p.workName(), "from", p.source.Name, "to", p.sink.Name,
		"context", p.describeContext(), "memory_mib", memory>>20)
	p.tellFormats()
}

// openAudit opens the configured audit log, if any. Its head goes to the log at
// both ends: logs are kept elsewhere, and only a head that is kept elsewhere
// shows that lines were cut off (docs/audit.md).
func (p *plan) openAudit(closers *closers) error {
	if p.Audit == "" {
		return nil
	}
	l, err := audit.Open(p.Audit, p.describeAuditor())
	if err != nil {
		return err
	}
	tell := func(when string) {
		number, head := l.Head()
		p.env.Log.Info("audit log", "when", when, "file", p.Audit, "line", number, "head", head.String())
	}
	tell("opened")
	closers.add(func() error {
		tell("closed")
		return l.Close()
	})
	p.audit = l
	return nil
}

// describeAuditor says who does the key operations of the route.
func (p *plan) describeAuditor() audit.Who {
	who := audit.DescribeProcess()
	who.Route, who.Context, who.Store = NameOf(p.workName(), p.Config, p.env), string(p.context), p.KeyStore
	return who
}
