package route

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/proof"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// comparedSide is one side of a comparison. It is opened for each pass.
type comparedSide struct {
	plan    *plan
	job     *compareJob
	scope   compareScope
	opens   bool // it is the sealed side
	records *records
	closers closers
	// placeOf says how envelopes name a place of the plain side.
	placeOf func(place string) transform.Place

	mu sync.Mutex
	// ends are the ends of the first pass, for the others: nothing behind them
	// is looked at.
	ends map[string]int64
	// reached is how far places were read in this pass.
	reached map[string]int64
	pass    int
}

// openSide opens the source, its keys and its transform.
func (s *comparedSide) openSide(ctx context.Context) error {
	r := &records{plan: s.plan, closers: &s.closers}
	if s.opens {
		if err := r.openOpening(ctx); err != nil {
			return err
		}
	} else {
		if err := r.openEnds(ctx, archive.Functions{}, 0); err != nil {
			return err
		}
		s.placeOf = newPlaces(r.in, false)
	}
	s.records = r
	return nil
}

// readAll reads the side to its end, as of the first pass.
func (s *comparedSide) readAll(ctx context.Context, take func(context.Context, []proof.Record) error) error {
	return s.readInto(ctx, &recordSink{side: s, ctx: ctx, take: take})
}

// readInto reads the side into a sink.
func (s *comparedSide) readInto(ctx context.Context, sink *recordSink) error {
	o := s.records.options
	o.NewGate, o.Resume, o.Sink = nil, nil, sink
	open := o.NewTransform
	o.NewTransform = func() pipeline.Transform {
		t := &digestTransform{side: s, digester: s.job.newDigester()}
		if s.opens {
			t.opener = open()
		}
		return t
	}
	s.mu.Lock()
	s.reached = make(map[string]int64)
	s.mu.Unlock()
	err := pipeline.Run(ctx, o)
	if err == nil {
		err = ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass++
	if err == nil && !s.opens {
		err = errors.Join(s.endDeleted(), s.checkReached())
	}
	return err
}

// checkReached refuses a plain side that has become shorter since the first
// pass: its records of this pass would be taken for deleted ones.
func (s *comparedSide) checkReached() error {
	for place, end := range s.ends {
		if at := s.reached[place]; at < end {
			return fmt.Errorf("from %s: it ended at %d in the first pass and ends at %d in pass %d: "+
				"it has changed, and nothing is proved", place, end, at, s.pass)
		}
	}
	return nil
}

// isOwn tells whether a source that envelopes name is this side.
func (s *comparedSide) isOwn(source [5]byte) bool {
	in := s.records.in
	if in.Identity != nil {
		return in.Identity.Short() == source
	}
	return true // of several topics; a record that is not there is found out
}

// measure tells how far the side is.
func (s *comparedSide) measure() endpoint.Progress {
	return s.records.in.MeasureProgress(s.plan.watch.Totals().Read)
}

// keepEnds notes where places end in the first pass, and tells the comparer.
func (s *comparedSide) keepEnds(at []pipeline.Position) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range at {
		place, end := at[i].Place, at[i].Next
		s.reached[place] = max(s.reached[place], end)
		if s.pass == 0 {
			s.ends[place] = max(s.ends[place], end)
		}
		// Compaction goes by record keys. A stream that keeps the last messages
		// of a subject does not, and messages of NATS have no keys.
		in := s.records.in
		compacted := in.NumberPlace != nil && in.IsCompacted != nil && in.IsCompacted(place)
		if s.opens {
			s.job.comparer.NameSealed(place, s.ends[place], compacted)
			continue
		}
		if err := s.job.comparer.NamePlain(s.idOf(place), place, s.ends[place], compacted); err != nil {
			return err
		}
		if err := s.noteDeleted(place); err != nil {
			return err
		}
	}
	return nil
}

// idOf returns how envelopes name a place of the plain side.
func (s *comparedSide) idOf(place string) proof.PlaceID {
	at := s.placeOf(place)
	return proof.PlaceID{Source: at.Source, Partition: at.Partition}
}

// isBehind tells whether a message was stored after the first pass began.
func (s *comparedSide) isBehind(o *pipeline.Origin) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pass > 0 && o.Offset >= s.ends[o.Place]
}

// recordSink gives the records of a side to the comparer.
type recordSink struct {
	side *comparedSide
	ctx  context.Context //nolint:containedctx // of the run: a wait for the other side ends with it
	take func(context.Context, []proof.Record) error
	// fresh has it also take records that were stored after the first pass
	// began.
	fresh bool
}

// Open implements pipeline.Sink. A place without messages ends where it begins.
func (s *recordSink) Open(_ context.Context, lane pipeline.Lane) (pipeline.Writer, error) {
	return &recordWriter{recordSink: s}, s.side.keepEnds(lane.Start())
}

// recordWriter is the way of one lane to the comparer.
type recordWriter struct {
	*recordSink
	records []proof.Record
}

// Write implements pipeline.Writer.
func (w *recordWriter) Write(_ context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
	w.records = w.records[:0]
	for i := range msgs {
		m := &msgs[i]
		if !w.fresh && w.side.isBehind(&m.Origin) {
			continue
		}
		var r proof.Record
		decodeRecord(&r, m)
		if !w.side.opens {
			r.At.PlaceID = w.side.idOf(m.Origin.Place)
		}
		w.records = append(w.records, r)
	}
	if done != nil {
		if err := w.side.keepEnds(done.Places); err != nil {
			return err
		}
	}
	if len(w.records) == 0 {
		return nil
	}
	return w.take(w.ctx, w.records)
}

// Close implements pipeline.Writer.
func (w *recordWriter) Close(context.Context) error { return nil }
