package route

import (
	"cmp"
	"context"
	"errors"
	"io"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/codec/coding"
	"github.com/streamcrypt/streamcrypt/codec/training"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Training is an open source of which a dictionary is trained. It is a Route
// that writes nothing.
type Training struct {
	Route
	samples training.Samples
	size    int
}

// TrainDictionary opens the training of a dictionary of the plaintext messages
// at c.From, of at most size bytes; 0 for the default. Of c it uses the same
// fields as Verify, but for keys. See Encrypt.
func TrainDictionary(ctx context.Context, c Config, size int64, env Env) (*Training, error) {
	size = cmp.Or(size, training.DefaultSize)
	if err := training.CheckSize(size); err != nil {
		return nil, err
	}
	c.Workers = 1
	env = env.complete()
	t := &Training{Route: Route{env: env}, size: int(size)}
	p, err := newPlan(verify, c, env)
	if err == nil {
		err = t.open(ctx, p)
	}
	if err != nil {
		return nil, env.explain(errors.Join(err, t.closers.close()))
	}
	return t, nil
}

func (t *Training) open(ctx context.Context, p *plan) error {
	switch {
	case p.raw:
		return hint.New("a dictionary is trained on many messages, and a raw file is one", p.source.RecordsHint)
	case p.source.Archive:
		return hint.New("a dictionary is trained on plaintext, and an archive holds envelopes", "decrypt it before")
	}
	in, err := p.openSource(ctx, p.newSession(archive.Functions{}, &t.closers))
	if err != nil {
		return err
	}
	o := p.pipelineOptions()
	job := &trainJob{
		training: t, in: in, limit: cmp.Or(o.ReadAhead, pipeline.DefaultReadAhead),
		memory: pipeline.Memory(o, in.Lanes, in.Largest) + training.MaxSamples*training.MaxSample,
	}
	t.job = job
	return memlimit.Check(job.memory)
}

// Dictionary returns the dictionary of the messages that Run has read.
func (t *Training) Dictionary() (*coding.Dictionary, error) { return t.samples.Train(t.size) }

// trainJob is the job of a Training.
type trainJob struct {
	training *Training
	in       *endpoint.Source
	limit    int
	memory   int64
}

func (j *trainJob) run(ctx context.Context) error {
	defer memlimit.Reserve(j.memory)()
	err := j.in.Serve(ctx, j.readLane)
	if ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err())) {
		return ErrInterrupted
	}
	return err
}

func (j *trainJob) readLane(ctx context.Context, lane pipeline.Lane) error {
	for {
		b, err := lane.Read(ctx, j.limit)
		if err == io.EOF { // bare: wrapped it is a connection that broke
			return nil
		}
		if err != nil {
			return err
		}
		for i := range b.Messages {
			j.training.samples.Add(b.Messages[i].Value)
		}
		err = lane.Commit(ctx, &pipeline.Progress{Messages: len(b.Messages), Places: b.Ends})
		if b.Release != nil {
			b.Release()
		}
		if err != nil {
			return err
		}
	}
}

func (j *trainJob) snapshot() Snapshot {
	seen, _ := j.training.samples.Count()
	s := Snapshot{Messages: seen}
	s.Progress = j.in.MeasureProgress(seen)
	return s
}
