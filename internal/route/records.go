package route

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/streamcrypt/streamcrypt/codec/archive"
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
	other    otherKeys
	renewing func(ctx context.Context) // makes data keys ahead; nil unless sealing
	ends     ends                      // of an archive
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
	if r.seals != nil {
		return r.openSealingOther(ctx)
	}
	if r.other.opener, err = r.loadOtherOpener(ctx); err != nil {
		return err
	}
	if r.byTopic() {
		return r.openSealingByTopic(ctx)
	}
	if r.sealing, err = r.loadSealing(ctx, true); err != nil {
		return err
	}
	r.closers.add(r.sealing.Close)
	r.load = r.reloadSealing(r.sealing)
	archive, err := r.newSealedArchive(ctx, r.sealing)
	if err != nil {
		return err
	}
	if err := r.openEnds(ctx, archive, 0); err != nil {
		return err
	}
	place := newPlaces(r.in, r.sink.KeepsPartitions)
	return r.setTransform(func() (pipeline.Transform, error) {
		t, err := r.newEncrypt(r.sealing, place, r.out.MapSubject)
		return &fitted{Transform: t, textOut: r.sink.TextHeaders, check: r.out.Check}, err
	})
}

// newCompressionAdvice returns a function that says once how envelopes of a
// source that is stored compressed take less room; nil for a route that need
// not be told.
func (r *records) newCompressionAdvice() func() {
	if r.do != encrypt || r.coding.Level != 0 || r.seals != nil || r.converts {
		return nil
	}
	return sync.OnceFunc(func() {
		r.env.Log.Info("the source is stored compressed, and envelopes cannot be: --compress=zstd does it before, "+
			"and --dictionary makes it as good as the broker (docs/compression.md)", "from", r.source.Name)
	})
}

func (r *records) newEncrypt(
	sealing *envelope.Sealer, place func(string) transform.Place, subject transform.MapSubject,
) (pipeline.Transform, error) {
	t, err := transform.NewEncrypt(transform.EncryptOptions{
		Sealer: sealing, Place: place, Subject: subject,
		PassSealed: r.converts || r.passes(pipeline.ReasonAlreadySealed), Effects: r.source.Effects,
	})
	if err != nil || !r.converts {
		return t, err
	}
	return r.convertFromOther(t)
}

// openOpening opens a route that decrypts or verifies.
func (r *records) openOpening(ctx context.Context) error {
	if err := r.loadOther(ctx); err != nil {
		return err
	}
	if r.byTopic() {
		return r.openOpeningByTopic(ctx)
	}
	opening, err := r.loadOpening(ctx)
	if err != nil {
		return err
	}
	r.load = r.reloadOpened(opening.Reload)
	if err := r.openEnds(ctx, r.newOpenedArchive(opening), 0); err != nil {
		return err
	}
	r.setGates()
	return r.setTransform(func() (pipeline.Transform, error) {
		t, err := r.newDecrypt(opening, r.out.MapSubject)
		return &fitted{Transform: t, textIn: r.source.TextHeaders, check: r.out.Check}, err
	})
}

// setGates makes the Gates of a route that opens.
func (r *records) setGates() {
	r.options.NewGate = r.newGates()
	r.options.DeadLetterValues = r.options.DeadLetters != nil
}

func (r *records) newDecrypt(opening *envelope.Opener, subject transform.MapSubject) (pipeline.Transform, error) {
	other, err := r.newDecryptOther(r.other.opener, subject)
	if err != nil {
		return nil, err
	}
	t, err := transform.NewDecrypt(transform.DecryptOptions{
		Other:            other,
		Opener:           opening,
		Subject:          subject,
		SealedSubject:    r.in.SealedSubject,
		PassTombstones:   r.passesTombstones(),
		PassPlain:        r.passes(pipeline.ReasonNotEnvelope),
		PassExtraHeaders: r.PassExtraHeaders,
	})
	if err != nil || !r.converts {
		return t, err
	}
	return r.convertToOther(t)
}

// openEnds opens source, sink and dead letters. more is the memory that the
// route needs beside the pipeline, in bytes. Whether there is enough is known
// when the source is open, and found out before a sink is made. Only the memory
// of a sink that compresses is known when the sink is open.
func (r *records) openEnds(ctx context.Context, archive archive.Functions, more int64) (err error) {
	session := r.newSession(archive, r.closers)
	session.Announce, session.NoteCompressed = r.announce, r.newCompressionAdvice()
	if r.in, err = r.openSource(ctx, session); err != nil {
		return err
	}
	if err := r.checkUnsealed(ctx, r.in); err != nil {
		return err
	}
	if r.opened != nil {
		if err := r.opened(ctx); err != nil {
			return err
		}
	}
	r.options = r.pipelineOptions()
	r.options.Source, r.options.Log = r.in.Source, r.env.Log
	r.options.Observer, r.options.Work = &r.watch, &r.watch
	if r.tracer != nil {
		r.options.Steps = r.tracer
	}
	r.options.Parks, r.options.Resume = r.parks, r.resume
	r.watch.SetWorkers(cmp.Or(r.options.Workers, runtime.GOMAXPROCS(0)))
	r.memory = r.in.CountMemory(r.options) + int64(r.in.Places)*placeMemory + more
	if err := r.claim.RaiseTo(r.memory); err != nil {
		return err
	}
	if r.out, err = r.openSink(ctx, session, r.in); err != nil {
		return err
	}
	if err := r.checkStart(ctx, r.in, r.out); err != nil {
		return err
	}
	letters, err := r.openLetters(ctx, session, r.in)
	if err != nil {
		return err
	}
	if r.in.Compressed && session.NoteCompressed != nil {
		session.NoteCompressed()
	}
	r.options.Sink, r.options.DeadLetters = r.out.Sink, letters.Sink
	r.warnOfMarkers()
	r.memory += int64(r.in.Lanes) * int64(r.out.LaneMemory+letters.LaneMemory)
	r.memory += int64(r.options.MaxInFlight()) * int64(r.out.WorkMemory)
	return r.claim.RaiseTo(r.memory)
}

// setTransform makes one transform to find out whether it can be made. Those of
// the workers are made the same way.
func (r *records) setTransform(newTransform func() (pipeline.Transform, error)) error {
	newTransform = r.paceTransforms(newTransform)
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
	if err == nil && r.do == verify {
		err = r.findFindings()
	}
	if err == nil && r.out.Finish != nil {
		err = r.out.Finish()
	}
	return err
}

// findFindings returns an error if there was anything that a verification does
// not pass.
func (r *records) findFindings() error {
	var found []string
	for _, f := range []struct {
		n      int64
		what   string
		passed bool
	}{
		{r.watch.Gates.Duplicates.Load(), "duplicates", r.passes(pipeline.ReasonDuplicate)},
		{r.watch.Gates.Gaps.Load(), "gaps", r.passes(pipeline.ReasonGap)},
		{r.watch.Gates.Reordered.Load(), "reordered messages", r.passes(pipeline.ReasonReordered)},
		{r.watch.Gates.Foreign.Load(), "foreign records", r.passes(pipeline.ReasonForeignRecord)},
		{r.watch.Gates.ExtraHeaders.Load(), "headers that were not sealed", r.PassExtraHeaders},
	} {
		if f.n > 0 && !f.passed {
			found = append(found, fmt.Sprintf("%d %s", f.n, f.what))
		}
	}
	if end, ok := r.ends.latest(); ok && end.Flags != 0 {
		found = append(found, "the archive says: "+end.DescribeFlags())
	}
	if len(found) == 0 {
		return nil
	}
	return &FindingError{Text: r.source.Name + ": " + strings.Join(found, ", ")}
}

// FindingError says that a verification has found something, although every
// envelope opened.
type FindingError struct{ Text string }

func (e *FindingError) Error() string { return e.Text }

// renewKeys fetches data keys ahead until the function that it returns is
// called, which waits for the end of it. Keys are needed until the last batch
// in flight is written, so they outlive ctx.
func (r *records) renewKeys(ctx context.Context) (stop func()) {
	renew := r.renewing
	if r.sealing != nil {
		renew = r.sealing.Run
	}
	if renew == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var renewing sync.WaitGroup
	renewing.Go(func() { renew(ctx) })
	return func() {
		cancel()
		renewing.Wait()
	}
}

func sumCounts(counts map[string]int64) (total int64) {
	for _, n := range counts {
		total += n
	}
	return total
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

		Lag:          r.watch.Lag(),
		Duplicates:   r.watch.Gates.Duplicates.Load(),
		Gaps:         r.watch.Gates.Gaps.Load(),
		Reordered:    r.watch.Gates.Reordered.Load(),
		Foreign:      r.watch.Gates.Foreign.Load(),
		Unplaced:     r.watch.Gates.Unplaced.Load(),
		ExtraHeaders: r.watch.Gates.ExtraHeaders.Load(),
	}
	if end, ok := r.ends.latest(); ok {
		s.Receipt, s.Flags = end.Receipt().String(), end.DescribeFlags()
	}
	s.AlreadyThere = r.watch.Traffic().AlreadyStored
	if r.in.Losses != nil {
		deleted, cut := r.in.Losses()
		s.Deleted, s.Cut = sumCounts(deleted), sumCounts(cut)
	}
	if r.do == verify {
		s.BytesOut = 0
	}
	r.rewraps.report(&s)
	s.Progress = r.in.MeasureProgress(s.Messages)
	return s
}
