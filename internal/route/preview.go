package route

import (
	"cmp"
	"context"
	"errors"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/doctor"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/findings"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Preview tells of everything that a route would do, as far as that can be
// known without changing anything.
type Preview struct {
	Name      string
	Direction string
	// Context is the name that envelopes are bound to.
	Context string
	// Profile and KeyStore say where wrapped data keys are.
	Profile, KeyStore string
	// Rate is the most bytes of plaintext in a second; 0: no limit.
	Rate int64
	// Checkpoint and Audit are files, and State is a URL; "" for none.
	Checkpoint, Audit, State string
	Ends                     []EndPreview
	// Keys unwrap or wrap data keys; OldKeys are those that Rewrap unwraps
	// with.
	Keys, OldKeys []keyring.KeyReport
	// Delivery says how often a message arrives; "" if it is not known.
	Delivery string
	// Memory is how much the route may use, in bytes.
	Memory int64
	// Problems are those of the route as a whole. Those of ends and keys are
	// with them. Each has advice, if there is any.
	Problems []error
}

// EndPreview is one end of a route.
type EndPreview struct {
	Role string
	Name string
	findings.Report
	// Unreached is why the end could not be looked at; nil if it could. It is
	// among the problems too.
	Unreached error
}

// IsUsable tells whether the route could begin, as far as can be known.
func (p *Preview) IsUsable() bool {
	for i := range p.Ends {
		if !p.Ends[i].IsUsable() {
			return false
		}
	}
	for _, some := range [][]keyring.KeyReport{p.Keys, p.OldKeys} {
		for i := range some {
			if !some[i].IsUsable() {
				return false
			}
		}
	}
	return len(p.Problems) == 0
}

// MakePreview looks at everything that a route would use: ends, keys, and
// whether the memory is there. It connects, and changes nothing: it makes and
// writes nothing, joins no group and moves no position. direction is that of
// About. Its error says that the configuration is wrong; everything else is in
// the Preview.
func MakePreview(ctx context.Context, direction string, c Config, env Env) (_ *Preview, err error) {
	env = env.complete()
	do, err := findDirection(direction)
	if err != nil {
		return nil, err
	}
	if do == rewrap && c.From == "" && c.To == "" {
		return nil, hint.New("a rewrap of a key store has no plan", "rewrap with --from and --to has one")
	}
	p, err := newPlan(do, c, env)
	if err != nil {
		return nil, env.explain(err)
	}
	var closers closers
	defer func() { err = errors.Join(err, closers.close()) }()
	preview := &Preview{
		Name: NameOf(direction, c, env), Direction: direction, Context: string(p.context), KeyStore: p.KeyStore,
		Rate: p.Rate, Checkpoint: p.Checkpoint, Audit: p.Audit, State: p.State,
	}
	if p.do == encrypt && p.seals == nil {
		preview.Profile = cmp.Or(p.Profile, "self")
	}
	if err := p.previewEnds(ctx, preview, p.newSession(archive.Functions{}, &closers), nil); err != nil {
		return nil, env.explain(err)
	}
	p.previewKeys(ctx, preview)
	p.previewAudit(preview)
	preview.explainProblems(env)
	return preview, nil
}

// examiner is told of each end that has been looked at, while it can still be
// asked. in is the result of the look at the source.
type examiner func(end roledEnd, s *endpoint.Session, in, found *endpoint.Checked)

func findDirection(word string) (direction, error) {
	for _, d := range []direction{encrypt, decrypt, verify, rewrap, conversion} {
		if d.String() == word {
			return d, nil
		}
	}
	return 0, address.NewUnknownError("direction", word, nil)
}

// previewEnds looks at the ends, and at the memory that they take. examine may
// be nil.
func (p *plan) previewEnds(
	ctx context.Context, preview *Preview, session *endpoint.Session, examine examiner,
) error {
	var in *endpoint.Checked
	laneMemory := 0
	for _, end := range p.listEnds() {
		checker, ok := end.Endpoint.(endpoint.Checker)
		found := &endpoint.Checked{}
		var err error
		switch {
		case !ok:
		case end.as.Reads():
			found, err = checker.CheckSource(ctx, session)
		default:
			found, err = checker.CheckSink(ctx, session, in)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			found = &endpoint.Checked{}
			found.AddProblem(err)
		}
		laneMemory += found.LaneMemory
		if end.as.Reads() {
			in = found
		}
		if end.as == endpoint.To {
			preview.Delivery = found.Delivery
			if in != nil && in.Source != nil && found.Sink != nil {
				found.AddProblem(p.checkStart(ctx, in.Source, found.Sink))
			}
		}
		preview.Ends = append(preview.Ends, EndPreview{end.as.String(), end.Traits().Name, found.Report, err})
		if examine != nil && err == nil {
			examine(end, session, in, found)
		}
	}
	preview.Memory = p.rawMemory()
	if !p.raw {
		lanes := max(1, in.Lanes)
		preview.Memory = pipeline.Memory(p.pipelineOptions(), lanes, in.Largest) + int64(lanes)*int64(laneMemory)
	}
	if p.do == rewrap {
		preview.Memory += kekcache.DefaultRewrapBytes
	}
	if err := memlimit.Check(preview.Memory); err != nil {
		preview.Problems = append(preview.Problems, err)
	}
	return nil
}

// keyUses returns how the route uses its keys, and those that Rewrap unwraps
// with.
func (p *plan) keyUses() (use, old keyring.Use) {
	use, old = keyring.Unwrap, keyring.Unwrap
	switch p.do { //nolint:exhaustive // a conversion is one of the others here
	case encrypt:
		use = keyring.Seal
	case rewrap:
		old, use = keyring.RewrapUses(p.OldKeys, p.Keys)
	case decrypt, verify:
	}
	return use, old
}

func (p *plan) previewKeys(ctx context.Context, preview *Preview) {
	use, old := p.keyUses()
	kc := p.keyContext()
	preview.Keys = keyring.CheckKeys(ctx, p.Keys, use, kc, p.keyEnv())
	preview.OldKeys = keyring.CheckKeys(ctx, p.OldKeys, old, kc, p.keyEnv())
}

// previewAudit looks at the audit log: without it no data key is made.
func (p *plan) previewAudit(preview *Preview) {
	if p.Audit == "" {
		return
	}
	if line := doctor.CheckAudit(p.Audit); line.Level == findings.Fail {
		preview.Problems = append(preview.Problems, hint.New("audit log "+p.Audit+": "+line.Found, line.Remedy))
	}
}

// explainProblems adds advice to every problem.
func (p *Preview) explainProblems(env Env) {
	explain := func(problems []error) {
		for i := range problems {
			problems[i] = env.explain(problems[i])
		}
	}
	explain(p.Problems)
	for i := range p.Ends {
		explain(p.Ends[i].Problems)
	}
	for i := range p.Keys {
		explain(p.Keys[i].Problems)
	}
	for i := range p.OldKeys {
		explain(p.OldKeys[i].Problems)
	}
}
