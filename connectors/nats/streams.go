package nats

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Streams reads several streams, each in a lane of its own, with its own
// consumer and lease.
type Streams struct{ sources []*Source }

// NewStreams returns a source of several streams, which are not served in any
// other way.
func NewStreams(sources []*Source) *Streams { return &Streams{sources} }

// Serve implements pipeline.Source. The end of one stream ends no other.
func (s *Streams) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	errs := make([]error, len(s.sources))
	var all sync.WaitGroup
	for i, source := range s.sources {
		all.Go(func() { errs[i] = source.Serve(ctx, serve) })
	}
	all.Wait()
	var own []error
	var ended error
	for _, err := range errs {
		if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
			ended = err // of all, and said once
		} else if err != nil {
			own = append(own, err)
		}
	}
	if len(own) > 0 {
		return errors.Join(own...)
	}
	return ended
}

// HoldsAll implements pipeline.Source.
func (s *Streams) HoldsAll() bool {
	for _, source := range s.sources {
		if !source.HoldsAll() {
			return false
		}
	}
	return true
}

// Losses tells how many messages each stream deleted before they were read.
func (s *Streams) Losses() (deleted, cut map[string]int64) {
	all := map[string]int64{}
	for _, source := range s.sources {
		d, _ := source.Losses()
		maps.Copy(all, d)
	}
	return all, nil
}

// Backlog is how many messages waited for the consumers when they were opened.
func (s *Streams) Backlog() uint64 {
	var n uint64
	for _, source := range s.sources {
		n += source.Backlog()
	}
	return n
}

// Sinks write the messages of several streams, those of each to a Sink of its
// own.
type Sinks struct {
	// ByStream has the Sink for each stream that is read.
	ByStream map[string]*Sink
}

// Open implements pipeline.Sink, for a lane of Streams.
func (s *Sinks) Open(ctx context.Context, l pipeline.Lane) (pipeline.Writer, error) {
	from, ok := l.(*lane)
	if !ok {
		return nil, errors.New("nats: a lane of another source than streams")
	}
	sink := s.ByStream[from.source.Stream]
	if sink == nil {
		return nil, fmt.Errorf("nats: no destination for stream %s", from.source.Stream)
	}
	return sink.Open(ctx, l)
}
