package route

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/keycheck"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// CheckOptions say how keys are checked.
type CheckOptions struct {
	// Sample is how many messages of each place are looked at to begin with;
	// 0: all of them, in order. An end without an index, such as a file, is
	// read whole.
	Sample int
	// Recipients is how many an envelope should have at least; default: as many
	// as there are keys.
	Recipients int
}

// maxSample bounds the memory of a sample.
const maxSample = 1_000_000

func (o CheckOptions) check() error {
	switch {
	case o.Sample < 0 || o.Sample == 1 || o.Sample > maxSample:
		return fmt.Errorf("sample: %d messages: 2 to %d are possible", o.Sample, maxSample)
	case o.Recipients < 0:
		return errors.New("recipients must not be negative")
	}
	return nil
}

// Check is an open check of keys. It is a Route that writes nothing.
type Check struct {
	Route
	checker *keycheck.Checker
}

// CheckKeys opens a check of which keys the envelopes at c.From need and
// whether c.Keys, which may be empty, unwrap them now. Of c it uses the same
// fields as Verify. See Encrypt.
func CheckKeys(ctx context.Context, c Config, o CheckOptions, env Env) (*Check, error) {
	c.Workers = 1 // a topic is then read by one lane per broker
	env = env.complete()
	check := &Check{Route: Route{env: env}}
	if err := check.open(ctx, c, o); err != nil {
		return nil, env.explain(errors.Join(err, check.closers.close()))
	}
	return check, nil
}

// Report tells of everything that was found so far.
func (c *Check) Report() *keycheck.Report { return c.checker.Report() }

func (c *Check) open(ctx context.Context, config Config, o CheckOptions) error {
	p, err := newPlan(verify, config, c.env)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	if err := p.openAudit(&c.closers); err != nil {
		return err
	}
	if err := p.loadFiles(); err != nil {
		return err
	}
	if c.checker, err = p.newChecker(ctx, o); err != nil {
		return err
	}
	job := &checkJob{plan: p, checker: c.checker, closers: &c.closers}
	sampler, samples := p.from.(endpoint.Sampler)
	switch {
	case p.raw:
		err = job.openRaw(ctx)
	case o.Sample > 0 && samples:
		err = job.openSample(ctx, sampler, o.Sample)
	default:
		if o.Sample > 0 {
			p.env.Log.Info("there is no index: all of it is read", "from", p.source.Name)
		}
		err = job.openScan(ctx)
	}
	c.job = job
	return err
}

// newChecker loads the keys, if there are any.
func (p *plan) newChecker(ctx context.Context, o CheckOptions) (*keycheck.Checker, error) {
	options := keycheck.Options{
		Context: p.keyContext(), Signers: p.signers, Skew: p.MaxSkew,
		Sealed: findSealed(p.source.TextHeaders), Recipients: o.Recipients, Log: p.env.Log, Audit: p.audit,
	}
	if p.byTopic() {
		options.ContextOf = p.keyContextOf
	}
	var err error
	if len(p.Keys) > 0 {
		if options.Keys, err = p.loadUnwrappers(ctx, p.Keys); err != nil {
			return nil, err
		}
	}
	if options.Store, err = p.openStore(); err != nil {
		return nil, err
	}
	return keycheck.New(options)
}

// findSealed returns a function that finds the envelope of a message. textIn
// says that header values are text.
func findSealed(textIn bool) func(m *pipeline.Message) ([]byte, error) {
	return func(m *pipeline.Message) ([]byte, error) {
		if m.Value != nil {
			return m.Value, nil
		}
		e, ok := findTombstone(m)
		if !ok {
			return nil, &pipeline.Reject{Reason: pipeline.ReasonBareTombstone}
		}
		if !textIn {
			return e, nil
		}
		if decoded, err := headerText.AppendDecode(nil, e); err == nil {
			return decoded, nil
		}
		return e, nil // it will be refused as malformed
	}
}

// checkJob is the job of a Check.
type checkJob struct {
	*plan
	checker  *keycheck.Checker
	closers  *closers
	look     func(ctx context.Context) error // at the messages
	memory   int64
	progress func(settled int64) endpoint.Progress
}

func (j *checkJob) openScan(ctx context.Context) error {
	in, err := j.openSource(ctx, j.newSession(j.newArchive(), j.closers))
	if err != nil {
		return err
	}
	o := j.pipelineOptions()
	limit := cmp.Or(o.ReadAhead, pipeline.DefaultReadAhead)
	j.look = func(ctx context.Context) error { return j.checker.Scan(ctx, in.Source, limit) }
	j.memory, j.progress = in.CountMemory(o), in.MeasureProgress
	return j.tellOpen()
}

// newArchive is for an archive. Its ends are looked at like any other envelope
// and otherwise believed: to check one takes its key, and that may be the key
// that is lost. Key records are kept for the messages behind them.
func (j *checkJob) newArchive() archive.Functions {
	return archive.Functions{
		Front: envelope.BeforeRecipients,
		KeepRecord: func(ctx context.Context, r *archive.Record) error {
			switch r.Type {
			case archive.TypeEnd, archive.TypeDictionaryRecord:
				return j.checker.Envelope(ctx, r.Body)
			case archive.TypeKeyRecord:
				j.checker.KeepRecord(r.Body)
			}
			return nil
		},
	}
}

// peekMemory is the memory of a sample beside the process, in bytes: one answer
// of a broker.
const peekMemory = 64 << 20

func (j *checkJob) openSample(ctx context.Context, from endpoint.Sampler, n int) error {
	peekers, err := from.OpenPeekers(ctx, j.newSession(archive.Functions{}, j.closers))
	if err != nil {
		return hint.PrefixError(endpoint.Look.String(), err)
	}
	j.look = func(ctx context.Context) error {
		for _, p := range peekers {
			if err := j.checker.Sample(ctx, p, n); err != nil {
				return err
			}
		}
		return nil
	}
	j.memory, j.progress = peekMemory, func(settled int64) endpoint.Progress {
		return endpoint.Progress{Done: settled, Unit: endpoint.Messages}
	}
	return j.tellOpen()
}

func (j *checkJob) openRaw(ctx context.Context) error {
	in, err := j.openRawSource(ctx, j.newSession(archive.Functions{}, j.closers))
	if err != nil {
		return err
	}
	j.look = func(ctx context.Context) error {
		ctx, stop := context.WithCancel(ctx) // a pipe's reader ends with it
		defer stop()
		return j.checker.Raw(ctx, j.source.Name, in.OpenReader(ctx))
	}
	j.memory, j.progress = rawMemory, func(int64) endpoint.Progress { return in.Progress() }
	return j.tellOpen()
}

// tellOpen checks that the memory fits the process, and logs that the check is
// open.
func (j *checkJob) tellOpen() error {
	if err := memlimit.Check(j.memory); err != nil {
		return err
	}
	j.env.Log.Info("checking keys", "from", j.source.Name, "context", j.describeContext(), "memory_mib", j.memory>>20)
	return nil
}

func (j *checkJob) run(ctx context.Context) error {
	defer memlimit.Reserve(j.memory)()
	err := j.look(ctx)
	if ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err())) {
		return ErrInterrupted
	}
	return err
}

func (j *checkJob) snapshot() Snapshot {
	s := Snapshot{Lag: watch.Unknown, Messages: j.checker.Looked()}
	s.Progress = j.progress(s.Messages)
	return s
}
