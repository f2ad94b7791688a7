package route

import (
	"context"
	"sync"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// records is a route whose messages go through the pipeline.
type records struct {
	do      direction
	in      *input
	out     *output
	options pipeline.Options
	memory  int64
	sealing *kekcache.Sealing // nil unless sealing
	load    loadKeys
	watch   watch.Route
	gates   transform.GateStats
	rewraps rewraps // of a route that rewraps
}

func openRecords(ctx context.Context, p *plan, closers *closers) (*records, error) {
	r := &records{do: p.do}
	o := &opener{plan: p, closers: closers}
	var err error
	switch p.do {
	case encrypt:
		err = r.openSealing(ctx, o)
	case rewrap:
		err = r.openRewrapping(ctx, o)
	default:
		err = r.openOpening(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	return r, p.reserve(r.memory)
}

// openSealing opens a route that seals.
func (r *records) openSealing(ctx context.Context, o *opener) (err error) {
	if r.sealing, err = o.sealing(ctx, true); err != nil {
		return err
	}
	o.closers.add(r.sealing.Close)
	r.load = o.reloadSealing(r.sealing)
	// A seq's end records are sealed by a lease of their own.
	ends, err := envelope.NewSealer(r.sealing, envelope.SealerOptions{Context: o.context, ChunkSize: int(o.ChunkSize)})
	if err != nil {
		return err
	}
	if err := r.openEnds(ctx, o, sealedArchive(ends)); err != nil {
		return err
	}
	place := r.in.place
	if place == nil {
		whole := r.in.id.place(r.in.ordered)
		place = func(string) transform.Place { return whole }
	}
	return r.complete(func() (pipeline.Transform, error) {
		t, err := transform.NewEncrypt(transform.EncryptOptions{
			Common:    transform.Common{Context: o.context, Bind: o.bind, Subject: r.out.subject},
			Keys:      r.sealing,
			ChunkSize: int(o.ChunkSize),
			Place:     place,
		})
		return &fitted{Transform: t, textOut: r.out.text, check: r.out.check}, err
	})
}

// openOpening opens a route that decrypts or verifies.
func (r *records) openOpening(ctx context.Context, o *opener) error {
	opening, err := o.opening(ctx)
	if err != nil {
		return err
	}
	r.load = o.reloadOpening(opening)
	ends := envelope.NewOpener(opening, envelope.OpenerOptions{Context: o.context})
	if err := r.openEnds(ctx, o, openedArchive(ends)); err != nil {
		return err
	}
	// Only a broker's log is sure to be as its sealer wrote it. Somebody may have sorted the lines of a file, and dropping what comes
	// late would then be loss.
	r.options.NewGate = newGates(r.in.ordered && r.in.kafka != nil, &r.gates)
	r.options.DeadLetterValues = r.options.DeadLetters != nil
	return r.complete(func() (pipeline.Transform, error) {
		t, err := transform.NewDecrypt(transform.DecryptOptions{
			Common:         transform.Common{Context: o.context, Bind: o.bind, Subject: r.out.subject},
			Keys:           opening,
			PassTombstones: o.Tombstones == "pass",
		})
		return &fitted{Transform: t, textIn: r.in.text, check: r.out.check}, err
	})
}

func (r *records) openEnds(ctx context.Context, o *opener, archive format.Archive) (err error) {
	if err := o.openCheckpoint(nil); err != nil {
		return err
	}
	if r.in, err = o.source(ctx, archive); err != nil {
		return err
	}
	if err := o.openCheckpoint(r.in); err != nil {
		return err
	}
	if r.out, err = o.sink(ctx, r.in, archive); err != nil {
		return err
	}
	r.options = pipeline.Options{
		Source: r.in.Source, Sink: r.out.Sink,
		Workers: o.Workers, Budget: int(o.Budget), ReadAhead: int(o.ReadAhead), Grace: o.Grace,
		Observer: &r.watch, Log: o.env.Log,
	}
	r.options.DeadLetters, err = o.letters(ctx, r.in)
	r.memory = pipeline.Memory(r.options, r.in.lanes, r.in.largest)
	return err
}

// complete makes one transform to see that it can be made; those of the workers are made the same way.
func (r *records) complete(newTransform func() (pipeline.Transform, error)) error {
	if _, err := newTransform(); err != nil {
		return err
	}
	r.options.NewTransform = func() pipeline.Transform {
		t, err := newTransform()
		if err != nil {
			panic("route: internal error: " + err.Error()) // the same call has just gone well
		}
		return t
	}
	return nil
}

func (r *records) run(ctx context.Context) error {
	defer memlimit.Reserve(r.memory)()
	defer r.renewKeys(ctx)()
	err := pipeline.Run(ctx, r.options)
	if err == nil && ctx.Err() != nil && (r.in.bounded || r.out.atOnce) {
		return ErrInterrupted
	}
	return err
}

// renewKeys fetches data keys ahead until the function that it returns is called, which waits for the end of it. Keys are
// needed until the last batch in flight is written, so they outlive ctx.
func (r *records) renewKeys(ctx context.Context) (stop func()) {
	if r.sealing == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var renewing sync.WaitGroup
	renewing.Go(func() { r.sealing.Run(ctx) })
	return func() {
		cancel()
		renewing.Wait()
	}
}

// maxParkedNames is how many parked places a Snapshot names.
const maxParkedNames = 10

func (r *records) snapshot() Snapshot {
	seen := r.watch.Totals()
	s := Snapshot{
		Messages: seen.Read,
		Bytes:    seen.BytesIn,
		BytesOut: seen.BytesOut,
		Skipped:  seen.Skipped,
		Rejected: seen.RejectedTotal(),
		Reasons:  seen.Rejected,
		Parked:   seen.Parked,

		ParkedPlaces: r.watch.ParkedPlaces(maxParkedNames),

		Gaps:    r.gates.Gaps.Load(),
		Foreign: r.gates.Foreign.Load(),
	}
	if r.do == verify {
		s.BytesOut = 0
	}
	r.rewraps.report(&s)
	r.in.progress(&s)
	return s
}
