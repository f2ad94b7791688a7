package route

import (
	"context"

	"github.com/streamcrypt/streamcrypt/envelope"
)

// openRewrap loads the keys of a raw route that rewraps.
func (r *raw) openRewrap(ctx context.Context, p *plan) (err error) {
	if r.rewraps.keys, err = p.rewrapping(ctx); err != nil {
		return err
	}
	rewrapper := envelope.NewRewrapper(r.rewraps.keys)
	r.copy = func(ctx context.Context) error {
		err := rewrapper.Copy(ctx, &counted{Writer: r.out, n: &r.written}, r.in.Reader(ctx))
		counts := rewrapper.Counts()
		r.rewraps.stats.Rewrapped.Add(counts.Rewrapped)
		r.rewraps.stats.Already.Add(counts.Already)
		return err
	}
	return nil
}
