package route

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/kafka"
	"github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/keycheck"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// CheckOptions say how keys are checked.
type CheckOptions struct {
	// Sample is how many messages of each partition, or of a stream, are looked at to begin with; 0: all of them, in order.
	// A file has no index and is read whole.
	Sample int
	// Recipients is how many an envelope should have at least; default: as many as there are keys.
	Recipients int
}

// maxSample bounds what is remembered of a sample.
const maxSample = 1_000_000

// Check is an open check of keys. It is a Route that writes nothing.
type Check struct {
	Route
	checker *keycheck.Checker
}

// CheckKeys opens a check of which keys the envelopes at c.From need and whether c.Keys, which may be empty, unwrap them now.
// Of c it uses what Verify uses. See Encrypt.
func CheckKeys(ctx context.Context, c Config, o CheckOptions, env Env) (*Check, error) {
	c.Workers = 1 // a Kafka topic is then read by one lane per broker
	p, err := newPlan(verify, c, env.complete())
	if err != nil {
		return nil, explain(err)
	}
	check := &Check{}
	if err := check.open(ctx, p, o); err != nil {
		return nil, explain(errors.Join(err, check.closers.close()))
	}
	return check, nil
}

// Report says what was found so far.
func (c *Check) Report() *keycheck.Report { return c.checker.Report() }

func (c *Check) open(ctx context.Context, p *plan, o CheckOptions) (err error) {
	if o.Sample < 0 || o.Sample == 1 || o.Sample > maxSample {
		return fmt.Errorf("sample: %d messages: 2 to %d are possible", o.Sample, maxSample)
	}
	if err := p.openAudit(&c.closers); err != nil {
		return err
	}
	if c.checker, err = p.checker(ctx, o); err != nil {
		return err
	}
	job := &checkJob{checker: c.checker, opener: &opener{plan: p, closers: &c.closers}}
	switch {
	case p.raw:
		err = job.openRaw()
	case o.Sample > 0 && p.from.file == nil:
		err = job.openSample(ctx, o.Sample)
	default:
		if o.Sample > 0 {
			p.env.Log.Info("a file has no index: all of it is read", "file", p.from.name)
		}
		err = job.openScan(ctx)
	}
	c.job = job
	return err
}

// checker loads the keys, if there are any.
func (p *plan) checker(ctx context.Context, o CheckOptions) (*keycheck.Checker, error) {
	options := keycheck.Options{
		Context: keys.Context{Name: string(p.context)}, Records: envelope.Records{Context: p.context},
		Sealed: sealed(p.from.nats != nil), Recipients: o.Recipients, Log: p.env.Log, Audit: p.audit,
	}
	var err error
	if len(p.Keys) > 0 {
		if options.Keys, err = keyring.Unwrappers(ctx, p.Keys, p.env.Log); err != nil {
			return nil, err
		}
	}
	if options.Store, err = p.openStore(); err != nil {
		return nil, err
	}
	return keycheck.New(options)
}

// sealed finds the envelope that a message carries. textIn says that header values are text.
func sealed(textIn bool) func(m *pipeline.Message) ([]byte, error) {
	return func(m *pipeline.Message) ([]byte, error) {
		if m.Value != nil {
			return m.Value, nil
		}
		e, ok := tombstone(m)
		if !ok {
			return nil, &pipeline.Reject{Reason: pipeline.ReasonBareTombstone}
		}
		if !textIn {
			return e, nil
		}
		if decoded, err := headerText.AppendDecode(nil, e); err == nil {
			return decoded, nil
		}
		return e, nil // it is refused as what it is
	}
}

// checkJob is the job of a Check. do is how it looks at messages.
type checkJob struct {
	*opener
	checker  *keycheck.Checker
	do       func(ctx context.Context) error
	memory   int64
	progress func(*Snapshot)
}

func (j *checkJob) openScan(ctx context.Context) error {
	in, err := j.source(ctx, j.archive())
	if err != nil {
		return err
	}
	o := pipeline.Options{Workers: 1, Budget: int(j.Budget), ReadAhead: int(j.ReadAhead)}
	limit := pipeline.DefaultReadAhead
	if j.ReadAhead > 0 {
		limit = int(j.ReadAhead)
	}
	j.do = func(ctx context.Context) error { return j.checker.Scan(ctx, in.Source, limit) }
	j.memory, j.progress = pipeline.Memory(o, in.lanes, in.largest), in.progress
	return j.reserve()
}

// archive is for a seq. Its end records are looked at like any other envelope and otherwise believed: to check one, its key
// is needed, and that may be the one that is lost.
func (j *checkJob) archive() format.Archive {
	var count uint64
	return format.Archive{
		Tag: func(dst []byte, _ *pipeline.Message) ([]byte, error) {
			count++
			return dst, nil
		},
		OpenEnd: func(ctx context.Context, record []byte) (uint64, [32]byte, error) {
			return count, sha256.Sum256(nil), j.checker.Envelope(ctx, record)
		},
	}
}

// peekMemory is what a sample needs beside the process, in bytes: one answer of a broker.
const peekMemory = 64 << 20

func (j *checkJob) openSample(ctx context.Context, n int) error {
	peekers, err := j.peekers(ctx)
	if err != nil {
		return err
	}
	j.do = func(ctx context.Context) error {
		for _, p := range peekers {
			if err := j.checker.Sample(ctx, p, n); err != nil {
				return err
			}
		}
		return nil
	}
	j.memory, j.progress = peekMemory, func(s *Snapshot) { s.Done, s.Unit = s.Messages, Messages }
	return j.reserve()
}

func (j *checkJob) peekers(ctx context.Context) ([]keycheck.Peeker, error) {
	if n := j.from.nats; n != nil {
		conn, err := j.connect(ctx, n.conn)
		if err != nil {
			return nil, err
		}
		p, err := nats.NewPeeker(ctx, conn, nats.SourceOptions{Stream: n.stream, Filters: n.filters, Start: n.start})
		return []keycheck.Peeker{p}, err
	}
	in, err := j.kafkaSource(ctx, j.from.kafka)
	if err != nil {
		return nil, err
	}
	all, err := in.kafka.Peekers(ctx)
	return asPeekers(all), err
}

func asPeekers(all []*kafka.Peeker) []keycheck.Peeker {
	out := make([]keycheck.Peeker, len(all))
	for i, p := range all {
		out[i] = p
	}
	return out
}

func (j *checkJob) openRaw() error {
	in, err := file.OpenRaw(j.from.file.path, j.env.Stdin)
	if err != nil {
		return err
	}
	j.closers.add(in.Close)
	j.do = func(ctx context.Context) error {
		return j.checker.Raw(ctx, j.from.name, in.Reader(ctx))
	}
	j.memory, j.progress = rawMemory, func(s *Snapshot) {
		s.Done, s.Total = in.Progress()
		s.Unit = Bytes
	}
	return j.reserve()
}

// reserve checks that the memory fits the process, and says so in the log.
func (j *checkJob) reserve() error {
	j.env.Log.Info("checking keys", "from", j.from.name, "context", string(j.context), "memory_mib", j.memory>>20)
	return memlimit.Check(j.memory)
}

func (j *checkJob) run(ctx context.Context) error {
	defer memlimit.Reserve(j.memory)()
	err := j.do(ctx)
	if ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err())) {
		return ErrInterrupted
	}
	return err
}

func (j *checkJob) snapshot() Snapshot {
	s := Snapshot{Messages: j.checker.Looked()}
	j.progress(&s)
	return s
}
