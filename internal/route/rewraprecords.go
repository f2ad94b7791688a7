package route

import (
	"context"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// openRewrapping opens a route that rewraps. It has no Gate: see
// transform.Rewrap.
func (r *records) openRewrapping(ctx context.Context) (err error) {
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
		t, err := transform.NewRewrap(transform.RewrapOptions{
			Rewrapper:      r.rewraps.keys,
			Subject:        r.out.MapSubject,
			PassTombstones: r.Tombstones == "pass",
			Stats:          &r.rewraps.stats,
		})
		return &fitted{Transform: t, textIn: r.source.TextHeaders, textOut: r.sink.TextHeaders, check: r.out.Check}, err
	})
}
