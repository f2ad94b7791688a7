package route

import (
	"context"
	"sync"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// records is a route whose messages go through the pipeline.
type records struct {
	*plan
	closers *closers
	in      *endpoint.Source
	out     *endpoint.Sink
	options pipeline.Options
	memory  int64
	sealing *envelope.Sealer // nil unless sealing
	load    loadKeys
	// Of a route over several topics: the reader tells of topics, and something
	// is to be done when the source is open.
	announce func(topic string)
	opened   func(ctx context.Context) error
	rewraps  rewraps // of a route that rewraps
}

func openRecords(ctx context.Context, p *plan, closers *closers) (*records, error) {
	r := &records{plan: p, closers: closers}
	var err error
	switch p.do {
	case encrypt:
		err = r.openSealing(ctx)
	case rewrap:
		err = r.openRewrapping(ctx)
	default:
		err = r.openOpening(ctx)
	}
	if err != nil {
		return nil, err
	}
	p.tellOpen(r.memory)
	return r, nil
}

// openSealing opens a route that seals.
func (r *records) openSealing(ctx context.Context) (err error) {
	if r.byTopic() {
		return r.openSealingByTopic(ctx)
	}
	if r.sealing, err = r.loadSealing(ctx, true); err != nil {
		return err
	}
	r.closers.add(r.sealing.Close)
	r.load = r.reloadSealing(r.sealing)
	if err := r.openEnds(ctx, newSealedArchive(r.sealing), 0); err != nil {
		return err
	}
	place := newPlaces(r.in)
	return r.setTransform(func() (pipeline.Transform, error) {
		t, err := r.newEncrypt(r.sealing, place)
		return &fitted{Transform: t, textOut: r.sink.TextHeaders, check: r.out.Check}, err
	})
}

func (r *records) newEncrypt(sealing *envelope.Sealer, place func(string) transform.Place) (pipeline.Transform, error) {
	return transform.NewEncrypt(transform.EncryptOptions{
		Common: transform.Common{Bind: r.bind, Subject: r.out.MapSubject},
		Sealer: sealing,
		Place:  place,
	})
}

// openOpening opens a route that decrypts or verifies.
func (r *records) openOpening(ctx context.Context) error {
	if r.byTopic() {
		return r.openOpeningByTopic(ctx)
	}
	opening, err := r.loadOpening(ctx)
	if err != nil {
		return err
	}
	r.load = r.reloadOpening(opening)
	if err := r.openEnds(ctx, newOpenedArchive(opening), 0); err != nil {
		return err
	}
	r.setGates()
	return r.setTransform(func() (pipeline.Transform, error) {
		t, err := r.newDecrypt(opening)
		return &fitted{Transform: t, textIn: r.source.TextHeaders, check: r.out.Check}, err
	})
}

// setGates makes the Gates of a route that opens.
func (r *records) setGates() {
	// Only a broker's log is sure to be as its sealer wrote it. Somebody may
	// have sorted the lines of a file, and a message that comes late would then
	// be lost.
	r.options.NewGate = newGates(r.in.Ordered && r.source.Log, &r.watch.Gates)
	r.options.DeadLetterValues = r.options.DeadLetters != nil
}

func (r *records) newDecrypt(opening *envelope.Opener) (pipeline.Transform, error) {
	return transform.NewDecrypt(transform.DecryptOptions{
		Common:         transform.Common{Bind: r.bind, Subject: r.out.MapSubject},
		Opener:         opening,
		PassTombstones: r.Tombstones == "pass",
	})
}

// openEnds opens source, sink and dead letters. more is the memory that the
// route needs beside the pipeline, in bytes. Whether there is enough is known
// when the source is open, and found out before a sink is made. Only the memory
// of a sink that compresses is known when the sink is open.
func (r *records) openEnds(ctx context.Context, archive endpoint.Archive, more int64) (err error) {
	session := r.newSession(archive, r.closers)
	session.Announce = r.announce
	if r.in, err = r.openSource(ctx, session); err != nil {
		return err
	}
	if r.opened != nil {
		if err := r.opened(ctx); err != nil {
			return err
		}
	}
	r.options = r.pipelineOptions()
	r.options.Source, r.options.Observer, r.options.Log = r.in.Source, &r.watch, r.env.Log
	r.memory = r.in.CountMemory(r.options) + int64(r.in.Places)*placeMemory + more
	if err := memlimit.Check(r.memory); err != nil {
		return err
	}
	if r.out, err = r.openSink(ctx, session, r.in); err != nil {
		return err
	}
	letters, err := r.openLetters(ctx, session, r.in)
	if err != nil {
		return err
	}
	r.options.Sink, r.options.DeadLetters = r.out.Sink, letters.Sink
	r.memory += int64(r.in.Lanes) * int64(r.out.LaneMemory+letters.LaneMemory)
	return memlimit.Check(r.memory)
}

// setTransform makes one transform to find out whether it can be made. Those of
// the workers are made the same way.
func (r *records) setTransform(newTransform func() (pipeline.Transform, error)) error {
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
	if err == nil && ctx.Err() != nil && (r.in.Bounded || r.out.AtOnce) {
		return ErrInterrupted
	}
	return err
}

// renewKeys fetches data keys ahead until the function that it returns is
// called, which waits for the end of it. Keys are needed until the last batch
// in flight is written, so they outlive ctx.
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

		Lag:     r.watch.Lag(),
		Gaps:    r.watch.Gates.Gaps.Load(),
		Foreign: r.watch.Gates.Foreign.Load(),
	}
	if r.do == verify {
		s.BytesOut = 0
	}
	r.rewraps.report(&s)
	s.Progress = r.in.MeasureProgress(s.Messages)
	return s
}
