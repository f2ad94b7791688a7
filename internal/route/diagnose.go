package route

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/internal/doctor"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/findings"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/keys"
)

// Neighbour is the configuration of another route, which may share keys and
// names with the one that is looked at.
type Neighbour struct {
	Direction string
	Config
}

// Diagnose looks at everything that a route would use, as MakePreview does, and
// runs the checks that ends and keys bring. Nothing is changed. Its error says
// that the configuration is wrong.
func Diagnose(
	ctx context.Context, direction string, c Config, others []Neighbour, host *doctor.Host, env Env,
) (lines []findings.Line, err error) {
	env = env.complete()
	do, err := findDirection(direction)
	if err != nil {
		return nil, err
	}
	p, err := newPlan(do, c, env)
	if err != nil {
		return nil, env.explain(err)
	}
	d := &diagnosis{ctx: ctx, plan: p, host: host}
	if err := d.lookAtEnds(); err != nil {
		return nil, env.explain(err)
	}
	use, old := p.keyUses()
	d.add(DiagnoseKeys(ctx, p.OldKeys, old, p.keyContext(), host, env)...)
	d.add(DiagnoseKeys(ctx, p.Keys, use, p.keyContext(), host, env)...)
	d.add(doctor.JudgeSharing(p.asNeighbour(), listNeighbours(others, env))...)
	if p.Audit != "" {
		d.add(doctor.CheckAudit(p.Audit))
	}
	return d.lines, ctx.Err()
}

// diagnosis is a look at a route that is under way.
type diagnosis struct {
	*plan
	ctx   context.Context //nolint:containedctx // one diagnosis is one call
	host  *doctor.Host
	lines []findings.Line
}

func (d *diagnosis) add(lines ...findings.Line) { d.lines = append(d.lines, lines...) }

// lookAtEnds adds the lines of all ends, and of the memory of the route.
func (d *diagnosis) lookAtEnds() (err error) {
	var closers closers
	defer func() { err = errors.Join(err, closers.close()) }()
	preview := &Preview{}
	var own []findings.Line
	session := d.newSession(archive.Functions{}, &closers)
	err = d.previewEnds(d.ctx, preview, session,
		func(end roledEnd, s *endpoint.Session, in, found *endpoint.Checked) {
			own = append(own, d.examineEnd(end, s, in, found)...)
		})
	if err != nil {
		return err
	}
	for i := range preview.Ends {
		end := &preview.Ends[i]
		part := doctor.Part{
			Subject: end.Role + " " + end.Name, Reach: doctor.Reach, Rights: doctor.Rights,
			Settings: doctor.Settings, Unreached: end.Unreached, Report: end.Report, Advise: d.env.adviseOn,
		}
		d.add(part.JudgePart()...)
	}
	d.add(own...)
	d.add(d.host.CheckMemory(preview.Memory))
	return nil
}

// examineTime is how long the checks that an end brings may take.
const examineTime = 30 * time.Second

// examineEnd runs the checks that an end brings.
func (d *diagnosis) examineEnd(end roledEnd, s *endpoint.Session, in, found *endpoint.Checked) []findings.Line {
	ctx, cancel := context.WithTimeout(d.ctx, examineTime)
	defer cancel()
	subject := end.as.String() + " " + end.Traits().Name
	var lines []findings.Line
	if own, ok := end.Endpoint.(doctor.Check); ok {
		lines = append(lines, own.Check(ctx, s)...)
	}
	if end.as == endpoint.To {
		lines = append(lines, doctor.JudgeSizes(subject, in, found, s.Growth)...)
	}
	if clock, ok := end.Endpoint.(doctor.EndClock); ok {
		timing, err := d.host.AskClock(ctx, func(ctx context.Context) (time.Time, time.Duration, error) {
			return clock.AskTime(ctx, s)
		})
		if err == nil { // else the look has said why, or the end tells no time
			lines = append(lines, timing.JudgeSkew(subject, d.MaxSkew))
		}
	}
	return lines
}

// adviseOn returns the advice about an error, "" without any.
func (e Env) adviseOn(err error) string {
	var advised *hint.Error
	if errors.As(e.explain(err), &advised) {
		return advised.Hint
	}
	return ""
}

// DiagnoseKeys looks at keys for a use.
func DiagnoseKeys(
	ctx context.Context, urls []string, use keyring.Use, kc keys.Context, host *doctor.Host, env Env,
) []findings.Line {
	env = env.complete()
	var lines []findings.Line
	reports := keyring.CheckKeys(ctx, urls, use, kc, keyring.Env{Log: env.Log})
	for i := range reports {
		r := &reports[i]
		subject := "key " + r.Name
		part := doctor.Part{
			Subject: subject, Reach: doctor.KeyReach, Rights: doctor.KeyRights, Settings: doctor.KeyReach,
			Report: r.Report, Advise: env.adviseOn,
		}
		part.Report.Warnings = nil
		lines = append(lines, part.JudgePart()...)
		for _, warning := range r.Warnings {
			lines = append(lines, findings.Line{
				Check: doctor.KeyRights, Subject: subject, Level: findings.Warn, Found: warning, Remedy: "chmod 600",
			})
		}
		lines = append(lines, examineKey(ctx, subject, r.Key, host)...)
	}
	return lines
}

// examineKey asks a key for everything that its kind can tell.
func examineKey(ctx context.Context, subject string, key any, host *doctor.Host) []findings.Line {
	var lines []findings.Line
	if clock, ok := key.(doctor.Clock); ok {
		if timing, err := host.AskClock(ctx, clock.AskTime); err == nil {
			lines = append(lines, timing.JudgeSkew(subject, 0), timing.JudgeLatency(subject))
		}
	}
	if birth, ok := key.(doctor.Birth); ok {
		born, err := birth.ReadBirth(ctx)
		switch {
		case err != nil:
			lines = append(lines, findings.Line{
				Check: doctor.KeyAge, Subject: subject, Level: findings.OK,
				Found: fmt.Sprintf("its age is not known: %v", err),
			})
		case !born.IsZero():
			lines = append(lines, host.JudgeAge(subject, born))
		}
	}
	return lines
}

// keyContext returns the name that data keys are bound to.
func (p *plan) keyContext() keys.Context {
	return keys.Context{Name: cmp.Or(p.KeyContext, string(p.context))}
}

// asNeighbour describes the plan as other routes see it.
func (p *plan) asNeighbour() doctor.Neighbour {
	sealed := p.source
	if p.do == encrypt {
		sealed = p.sink
	}
	n := doctor.Neighbour{
		Name: NameOf(p.workName(), p.Config, p.env), Context: string(p.context), Sealed: sealed.Identity,
		Shown: sealed.Name,
	}
	for _, url := range p.Keys {
		if name := keyring.NameURL(url); name != "" {
			n.Keys = append(n.Keys, name)
		}
	}
	return n
}

// listNeighbours describes other routes. A configuration that is wrong is left
// out: it shows when that route is looked at itself.
func listNeighbours(others []Neighbour, env Env) []doctor.Neighbour {
	var all []doctor.Neighbour
	for i := range others {
		do, err := findDirection(others[i].Direction)
		if err != nil {
			continue
		}
		if p, err := newPlan(do, others[i].Config, env); err == nil {
			all = append(all, p.asNeighbour())
		}
	}
	return all
}
