package route

import (
	"context"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// openRewrapping opens a route that rewraps. It has no Gate: see
// transform.Rewrap.
func (r *records) openRewrapping(ctx context.Context) (err error) {
	if r.byTopic() {
		return r.openRewrappingByTopic(ctx)
	}
	if r.rewraps.keys, err = r.loadRewrapping(ctx); err != nil {
		return err
	}
	archive, err := r.newRewrappedArchive(ctx, r.rewraps.keys, r.closers)
	if err != nil {
		return err
	}
	if err := r.openEnds(ctx, archive, kekcache.DefaultRewrapBytes); err != nil {
		return err
	}
	r.options.DeadLetterValues = r.options.DeadLetters != nil
	return r.setTransform(func() (pipeline.Transform, error) {
		t, err := r.newRewrap(r.rewraps.keys, r.out.MapSubject)
		return &fitted{Transform: t, textIn: r.source.TextHeaders, textOut: r.sink.TextHeaders, check: r.out.Check}, err
	})
}

func (r *records) newRewrap(keys *envelope.Rewrapper, mapSubject transform.MapSubject) (pipeline.Transform, error) {
	return transform.NewRewrap(transform.RewrapOptions{
		Rewrapper:      keys,
		Subject:        mapSubject,
		PassTombstones: r.Tombstones == "pass",
		Stats:          &r.rewraps.stats,
	})
}

// rewrapBytesPerTopic bounds the new recipients that are kept for each of
// several topics: those of some hundred data keys.
const rewrapBytesPerTopic = 64 << 10

// openRewrappingByTopic opens a route that rewraps envelopes of several
// contexts.
func (r *records) openRewrappingByTopic(ctx context.Context) error {
	rewrappers, err := r.newRewrappers(ctx)
	if err != nil {
		return err
	}
	r.rewraps.counted = rewrappers.countKeys
	if err := r.openEnds(ctx, archive.Functions{}, maxOpened*rewrapBytesPerTopic); err != nil {
		return err
	}
	if r.rebaseContexts() == "" {
		r.env.Log.Warn("readers must name the topic that was read as --context, for one topic after the other: " +
			"no template makes it of the names that are written")
	}
	r.options.DeadLetterValues = r.options.DeadLetters != nil
	return r.setTransform(func() (pipeline.Transform, error) {
		t := newTopical(r.source.TopicOf, r.contextFor, func(topic, name string) (pipeline.Transform, func(), error) {
			return rewrappers.openTransform(name, func(keys *envelope.Rewrapper) (pipeline.Transform, error) {
				return r.newRewrap(keys, r.mapSubjectOf(topic))
			})
		})
		return &fitted{Transform: t, textIn: r.source.TextHeaders, textOut: r.sink.TextHeaders, check: r.out.Check}, nil
	})
}

// rewrappers are the Rewrappers of a route over several topics.
type rewrappers struct {
	contextTable[*envelope.Rewrapper]
	closed atomic.Int64 // data keys of those that are not in use any more
}

func (r *records) newRewrappers(ctx context.Context) (*rewrappers, error) {
	from, to, options, err := r.loadRewrapKeys(ctx)
	if err != nil {
		return nil, err
	}
	options.MaxBytes = rewrapBytesPerTopic
	if _, err := envelope.NewRewrapper(from, to, options); err != nil { // wrong options are told at once
		return nil, err
	}
	t := new(rewrappers)
	t.open = func(name string) (*envelope.Rewrapper, error) {
		with := options
		with.Context = name
		return envelope.NewRewrapper(from, to, with)
	}
	t.contextTable.close = func(k *envelope.Rewrapper) error {
		t.closed.Add(k.CountKeys())
		return nil
	}
	return t, nil
}

// countKeys returns how many data keys have been rewrapped.
func (t *rewrappers) countKeys() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.closed.Load()
	for _, k := range t.byName {
		n += k.keys.CountKeys()
	}
	return n
}
