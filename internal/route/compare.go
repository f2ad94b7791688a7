package route

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/audit"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/internal/proof"
	"github.com/streamcrypt/streamcrypt/internal/watch"
)

// CompareOptions say how both sides are compared.
type CompareOptions struct {
	// Against is the URL of the envelopes, as Config.From is of the plaintext.
	Against string
	// Passes is in how many passes both sides are read; default 1. More passes
	// take less memory where the sides have another order.
	Passes int
	// Ciphertext has the report sums of the envelopes.
	Ciphertext bool
	// NoDigests has the report no digests of the plaintext. The comparison is
	// faster then.
	NoDigests bool
}

// Comparison is an open comparison of plaintext and the envelopes that were
// made of it. It is a Route that writes nothing.
type Comparison struct {
	Route
	compared *compareJob
}

// Compare opens a comparison of the plaintext at c.From with the envelopes at
// o.Against, which are opened with c.Keys. All fields of c but From are those
// that Verify uses, for the envelopes. Both sides are read to their ends as of
// now. See Encrypt.
//
// Route.Run returns a *FindingError if the sides differ, and nil only if they
// do not.
func Compare(ctx context.Context, c Config, o CompareOptions, env Env) (*Comparison, error) {
	env = env.complete()
	comparison := &Comparison{Route: Route{env: env}}
	j := &compareJob{o: o, closers: &comparison.closers, passes: max(1, o.Passes)}
	if err := j.open(ctx, c, env); err != nil {
		return nil, env.explain(errors.Join(err, j.endPass(), comparison.closers.close()))
	}
	comparison.job, comparison.compared = j, j
	comparison.about = About{
		Direction: verify.String(), From: j.plain.plan.source.Name, Memory: j.memory(), HasEnd: true,
	}
	comparison.closers.add(j.endPass)
	return comparison, nil
}

// Report returns the result. It is whole after Run has returned nil or a
// *FindingError; after another error its Problem says why it is not.
func (c *Comparison) Report() *proof.Report { return c.compared.report() }

// compareJob is the job of a Comparison.
type compareJob struct {
	o         CompareOptions
	closers   *closers
	passes    int
	comparer  *proof.Comparer
	digestKey []byte
	keyID     string // of the key that digestKey was derived from; may be empty
	plain     *comparedSide
	sealed    *comparedSide
	started   time.Time
	ended     time.Time
	problem   error
	deleted   []string // notes about records that went while they were compared

	mu   sync.Mutex // over pass, and the open ends of both sides
	pass int
}

func (j *compareJob) open(ctx context.Context, c Config, env Env) error {
	j.started = time.Now()
	if err := j.readPlans(c, env); err != nil {
		return err
	}
	p := j.sealed.plan
	if err := p.openAudit(j.closers); err != nil {
		return err
	}
	if err := p.loadFiles(); err != nil {
		return err
	}
	if err := j.findDigestKey(ctx); err != nil {
		return err
	}
	for _, side := range []*comparedSide{j.sealed, j.plain} {
		side.plan.claim = env.Memory.NewClaim()
		j.closers.add(func() error {
			side.plan.claim.Release()
			return nil
		})
	}
	if err := j.beginPass(ctx); err != nil {
		return err
	}
	in := j.plain.records.in
	j.comparer = proof.New(proof.Options{
		Passes: j.passes, AnySource: isOnePlace(in), IsOwn: j.plain.isOwn, Ciphertext: j.o.Ciphertext,
		Digests: j.keyID != "",
	})
	if j.keepsKeys() {
		j.comparer.KeepKeys()
	}
	return memlimit.Check(j.memory())
}

// readPlans reads the configuration of both sides.
func (j *compareJob) readPlans(c Config, env Env) error {
	if c.To != "" {
		return hint.New("to: verify writes nothing", "leave out --to")
	}
	sealed := c
	sealed.From = j.o.Against
	p, err := newPlan(verify, sealed, env)
	if err != nil {
		return hint.PrefixError("against", err)
	}
	q, err := newPlainPlan(Config{
		From: c.From, Workers: c.Workers, Budget: c.Budget, ReadAhead: c.ReadAhead, Grace: c.Grace, Wait: c.Wait,
		Settings: c.Settings,
	}, env)
	switch {
	case err != nil:
		return err
	case p.raw || q.raw:
		return hint.New("raw files have no records that could be compared",
			"decrypt one to standard output, and compare the bytes with cmp - PLAIN")
	case q.source.Identity != "" && q.source.Identity == p.source.Identity:
		return hint.New("both sides are "+q.source.Name, "--from is the plaintext, and --against the envelopes")
	}
	if err := j.checkPasses(q, p); err != nil {
		return err
	}
	scope := compareScope{bind: p.bind, sort: p.source.NoHeaderOrder || q.source.NoHeaderOrder,
		times: p.bind.Time && q.source.Times != endpoint.NoTimes}
	j.sealed = &comparedSide{plan: p, job: j, scope: scope, opens: true, ends: map[string]int64{}}
	j.plain = &comparedSide{plan: q, job: j, scope: scope, ends: map[string]int64{}}
	return nil
}

// checkPasses refuses several passes over an end that can be read once: the
// later ones would find nothing there, and prove nothing.
func (j *compareJob) checkPasses(sides ...*plan) error {
	for _, side := range sides {
		if j.passes > 1 && side.source.Pipe {
			return hint.New(side.source.Name+" can be read once, and --passes reads it again",
				"store it in a file, or leave out --passes")
		}
	}
	return nil
}

// isOnePlace tells whether a source is one place, which has no name that lasts:
// the name of a file is made for each run, and that of a stream depends on
// settings of the route that sealed it.
func isOnePlace(in *endpoint.Source) bool { return in.NumberPlace == nil && in.IdentifyPlace == nil }

// proofKeyer is a local key with a private half.
type proofKeyer interface{ ProofKey() ([]byte, error) }

// findDigestKey derives the key of the digests from the first local key, or
// takes a random one.
func (j *compareJob) findDigestKey(ctx context.Context) error {
	if j.o.NoDigests {
		j.makeDigestKey()
		return nil
	}
	unwrappers, err := j.sealed.plan.loadUnwrappers(ctx, j.sealed.plan.Keys)
	if err != nil {
		return err
	}
	for _, u := range unwrappers {
		if k, ok := u.(proofKeyer); ok {
			j.keyID = u.Name()
			j.digestKey, err = k.ProofKey()
			return err
		}
	}
	j.makeDigestKey()
	return nil
}

// makeDigestKey makes a key for this comparison alone.
func (j *compareJob) makeDigestKey() {
	j.digestKey = make([]byte, 32)
	rand.Read(j.digestKey)
}

// beginPass opens both sides: first the envelopes, so that the plaintext of all
// of them is there before its end is found.
func (j *compareJob) beginPass(ctx context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.sealed.openSide(ctx); err != nil {
		return hint.PrefixError("against", err)
	}
	if err := j.plain.openSide(ctx); err != nil {
		return err
	}
	in, source := j.plain.records.in, j.plain.plan.source
	switch {
	case in.IdentifyPlace != nil && !source.NamesTopics:
		return hint.New("from: "+source.Name+": several files have other names in envelopes at each run",
			"compare them one by one")
	case !isOnePlace(in) && in.IdentifyPlace == nil && in.Identity == nil:
		return fmt.Errorf("from: %s: it has no identity, so that envelopes cannot name it", source.Name)
	}
	return nil
}

// endPass closes both sides.
func (j *compareJob) endPass() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.plain == nil || j.sealed == nil {
		return nil
	}
	return errors.Join(j.plain.closers.close(), j.sealed.closers.close())
}

// memory is how much the comparison takes at most, in bytes.
func (j *compareJob) memory() int64 {
	return j.plain.records.memory + j.sealed.records.memory + proof.DefaultMemory
}

// run implements job.
func (j *compareJob) run(ctx context.Context) error {
	defer memlimit.Reserve(j.memory())()
	defer func() { j.ended = time.Now() }()
	j.problem = j.runPasses(ctx)
	if j.problem != nil {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		return j.problem
	}
	if verdict := j.report().Verdict(); verdict != "" {
		return &FindingError{Text: j.sealed.plan.source.Name + ": " + verdict}
	}
	return nil
}

func (j *compareJob) runPasses(ctx context.Context) error {
	for {
		if err := j.runPass(ctx); err != nil {
			return err
		}
		if !j.comparer.FinishPass() {
			return nil
		}
		if err := j.endPass(); err != nil {
			return err
		}
		j.mu.Lock()
		j.pass++
		j.mu.Unlock()
		if err := j.beginPass(ctx); err != nil {
			return err
		}
	}
}

// runPass reads both sides at once. When one fails the other one ends too.
func (j *compareJob) runPass(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var both sync.WaitGroup
	both.Go(func() {
		if err := j.plain.readAll(ctx, j.comparer.AddPlain); err != nil {
			cancel(err)
		}
		j.comparer.EndPlain()
	})
	both.Go(func() {
		if err := j.sealed.readAll(ctx, j.comparer.AddSealed); err != nil {
			cancel(err)
		}
		j.comparer.EndSealed()
	})
	both.Wait()
	if ctx.Err() != nil {
		return explainMemory(context.Cause(ctx))
	}
	again, err := j.comparer.NeedsKeys()
	if err != nil || !again {
		return explainMemory(err)
	}
	return j.readKeysAgain(ctx)
}

// readKeysAgain reads the sealed side once more, for records that compaction
// may have taken away: also for an envelope that was stored since.
func (j *compareJob) readKeysAgain(ctx context.Context) error {
	j.mu.Lock()
	err := errors.Join(j.sealed.closers.close(), j.sealed.openSide(ctx))
	j.mu.Unlock()
	if err != nil {
		return err
	}
	take := func(_ context.Context, records []proof.Record) error {
		j.comparer.AddKeys(records)
		return nil
	}
	return j.sealed.readInto(ctx, &recordSink{side: j.sealed, ctx: ctx, take: take, fresh: true})
}

// explainMemory adds advice to the error of a comparison that has no memory
// left.
func explainMemory(err error) error {
	if !errors.Is(err, proof.ErrMemory) {
		return err
	}
	return &hint.Error{Err: err, Hint: "the sides have another order, or differ in much: say --passes 8, or more, " +
		"which reads both sides as often and keeps as much less"}
}

// report describes the comparison as far as it came.
func (j *compareJob) report() *proof.Report {
	r := j.comparer.Report()
	who := audit.DescribeProcess()
	p := j.sealed.plan
	r.Made = proof.Made{
		Host: who.Host, User: who.User, Instance: cmp.Or(p.Instance, fmt.Sprintf("%s/%d", who.Host, who.PID)),
		Version: who.Version, Started: j.started.UTC(), Ended: j.ended.UTC(), Passes: j.passes, DigestKey: j.keyID,
	}
	r.Plain = proof.Side{Address: j.plain.plan.source.Name}
	r.Sealed = proof.Side{Address: p.source.Name, Context: p.describeContext(), Keys: p.keyNames}
	for _, signer := range p.signers {
		r.Sealed.Signers = append(r.Sealed.Signers, signer.Name())
	}
	if end, ok := j.sealed.records.ends.latest(); ok {
		r.Sealed.Receipt = end.Receipt().String()
		if end.Flags != 0 {
			r.Notes = append(r.Notes, "the archive says: "+end.DescribeFlags())
		}
	}
	r.Notes = append(r.Notes, j.deleted...)
	if c := &r.Counts; c.Matched+c.Different == 0 && c.Extra > 0 {
		r.Notes = append(r.Notes, "no envelope names a record of the plain side: they were made of another source")
	}
	if j.problem != nil {
		r.Problem, r.Identical = j.problem.Error(), false
	}
	return r
}

// snapshot implements job.
func (j *compareJob) snapshot() Snapshot {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := Snapshot{Lag: watch.Unknown}
	plain, sealed := j.plain.measure(), j.sealed.measure()
	for _, side := range []*comparedSide{j.plain, j.sealed} {
		seen := side.plan.watch.Totals()
		s.Messages, s.Bytes = s.Messages+seen.Read, s.Bytes+seen.BytesIn
	}
	s.Progress = sealed
	if plain.Unit == sealed.Unit {
		s.Done, s.Total = plain.Done+sealed.Done, plain.Total+sealed.Total
		if plain.Total == 0 || sealed.Total == 0 {
			s.Total = 0
		}
	}
	return s
}
