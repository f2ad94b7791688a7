package route

import (
	"context"
)

// openRewrap loads the keys of a raw route that rewraps.
func (r *raw) openRewrap(ctx context.Context, p *plan) (err error) {
	if r.rewraps.keys, err = p.rewrapping(ctx); err != nil {
		return err
	}
	r.copy = func(ctx context.Context) error {
		counts, err := r.rewraps.keys.Copy(ctx, &counted{Writer: r.out, n: &r.written}, r.in.reader(ctx))
		r.rewraps.stats.Rewrapped.Add(counts.Rewrapped)
		r.rewraps.stats.Already.Add(counts.Already)
		return err
	}
	return nil
}
