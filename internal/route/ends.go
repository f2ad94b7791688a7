package route

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/internal/deadletter"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// envelopeRoom is the most bytes that an envelope adds to a record, unless its
// recipients are many.
const envelopeRoom = 512

// otherRoom is the most bytes that a message in base64 adds to a record of a
// megabyte, the largest that brokers take by default.
const otherRoom = (1<<20)/3 + 4<<10

// growth returns how many bytes larger records become.
func (p *plan) growth() int {
	switch {
	case p.seals != nil:
		return otherRoom
	case p.do == encrypt:
		return envelopeRoom
	case p.do == decrypt:
		return -envelopeRoom
	}
	return 0
}

// newSession returns everything that the ends of the route are opened with.
func (p *plan) newSession(archive archive.Functions, closers *closers) *endpoint.Session {
	session := &endpoint.Session{
		Log: p.env.Log, Stdin: p.env.Stdin, Stdout: p.env.Stdout, Patience: p.patience,
		Watch:   &p.watch,
		Workers: p.Workers, Budget: cmp.Or(int(p.Budget), pipeline.DefaultBudget), ReadAhead: int(p.ReadAhead),
		Grace: p.Grace, Instance: p.Instance, Overwrite: p.Overwrite, Checkpoint: p.Checkpoint,
		Work: p.workName(), Context: p.describeContext(), Keys: p.keyNames,
		To: p.sink.Identity, Mapping: p.sink.Mapping, Written: p.listWritten(), OneLane: p.sink.OneLane,
		Growth: p.growth(), Opens: p.do != encrypt && !p.readsPlain, Compares: p.readsPlain,
		HasGate: p.do == decrypt || p.do == verify && !p.readsPlain,
		Seals:   p.do == encrypt || p.do == rewrap || p.seals != nil, KeySet: p.keySet,
		Archive: archive, OnClose: closers.add,
	}
	if session.Seals {
		session.IsSameMessage = newSameMessage(p.sink.TextHeaders, p.seals)
	}
	return session
}

// listWritten lists the ends that the route writes.
func (p *plan) listWritten() []endpoint.Endpoint {
	var ends []endpoint.Endpoint
	for _, end := range []endpoint.Endpoint{p.to, p.dead} {
		if end != nil {
			ends = append(ends, end)
		}
	}
	return ends
}

// openSource opens the end that is read.
func (p *plan) openSource(ctx context.Context, s *endpoint.Session) (*endpoint.Source, error) {
	from, ok := p.from.(endpoint.Records)
	if !ok {
		return nil, fmt.Errorf("%s holds no records", p.source.Name)
	}
	in, err := from.OpenSource(ctx, s)
	if err != nil {
		return nil, hint.PrefixError(endpoint.From.String(), err)
	}
	return in, nil
}

// openSink opens the end that is written.
func (p *plan) openSink(ctx context.Context, s *endpoint.Session, in *endpoint.Source) (*endpoint.Sink, error) {
	if p.to == nil {
		return &endpoint.Sink{Sink: discardRecords{}}, nil
	}
	to, ok := p.to.(endpoint.Records)
	if !ok {
		return nil, fmt.Errorf("%s holds no records", p.sink.Name)
	}
	out, err := to.OpenSink(ctx, s, in)
	if err != nil {
		return nil, hint.PrefixError(endpoint.To.String(), err)
	}
	out.Sink = namedSink{out.Sink, endpoint.To}
	return out, nil
}

// openLetters opens the sink for dead letters. Without them its Sink is nil.
func (p *plan) openLetters(ctx context.Context, s *endpoint.Session, in *endpoint.Source) (*endpoint.Sink, error) {
	if p.dead == nil {
		return new(endpoint.Sink), nil
	}
	t := p.dead.Traits()
	dead, ok := p.dead.(endpoint.Records)
	if !ok {
		return nil, fmt.Errorf("%s: %s holds no records", endpoint.DeadLetters, t.Name)
	}
	out, err := dead.OpenSink(ctx, s, in)
	if err != nil {
		return nil, hint.PrefixError(endpoint.DeadLetters.String(), err)
	}
	letters := deadletter.NewSink(namedSink{out.Sink, endpoint.DeadLetters}, p.letterValues(), out.Check)
	if t.OneLane {
		letters = deadletter.ShareSink(letters)
	}
	return &endpoint.Sink{Sink: letters, LaneMemory: out.LaneMemory}, nil
}

// closers are called when a route is closed, in reverse order.
type closers struct{ all []func() error }

func (c *closers) add(f func() error) { c.all = append(c.all, f) }

// close may be called more than once.
func (c *closers) close() error {
	var err error
	for n := len(c.all) - 1; n >= 0; n-- {
		err = errors.Join(err, c.all[n]())
	}
	c.all = nil
	return err
}
