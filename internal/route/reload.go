package route

import (
	"context"
	"errors"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/keys"
)

// ErrNoReload says that a route reads its keys once: a raw file is done with
// one data key, and rewrapping has two sets.
var ErrNoReload = errors.New("the keys of this route are read once")

// loadKeys has a route use the keys of these URLs from now on, or leaves
// everything as it is and returns an error.
type loadKeys func(ctx context.Context, urls []string) error

// keyLoader is a job that can load its keys again.
type keyLoader interface{ keyLoader() loadKeys }

func (r *records) keyLoader() loadKeys { return r.load }

// keyLoader returns nil if the route's keys are read once.
func (r *Route) keyLoader() loadKeys {
	if job, ok := r.job.(keyLoader); ok {
		return job.keyLoader()
	}
	return nil
}

// Reloads tells whether Reload can do anything.
func (r *Route) Reloads() bool { return r.keyLoader() != nil }

// Reload reads the keys of urls, in the form of Config.Keys, and uses them from
// now on: the files may have changed, or the URLs. A route that seals makes a
// data key for them at once. On an error the keys stay as they are. It may be
// called while Run runs.
func (r *Route) Reload(ctx context.Context, urls []string) error {
	load := r.keyLoader()
	if load == nil {
		return ErrNoReload
	}
	return r.env.explain(load(ctx, urls))
}

// reloadSealing returns nil for a conversion, which has two sets of keys.
func (p *plan) reloadSealing(sealing *envelope.Sealer) loadKeys {
	if p.converts {
		return nil
	}
	return func(ctx context.Context, urls []string) error {
		wrappers, err := keyring.LoadWrappers(ctx, urls, p.keyEnv())
		if err != nil {
			return err
		}
		if err := sealing.Reload(ctx, wrappers); err != nil {
			return err
		}
		p.env.Log.Info("keys loaded anew", "keys", names[keys.Wrapper](wrappers))
		return nil
	}
}

// reloadOpened has keys loaded and handed to those that open: replace, and the
// opener of other formats. It returns nil for a conversion.
func (r *records) reloadOpened(replace func([]keys.Unwrapper) error) loadKeys {
	if r.converts {
		return nil
	}
	p := r.plan
	return func(ctx context.Context, urls []string) error {
		unwrappers, err := keyring.LoadUnwrappers(ctx, urls, p.keyEnv())
		if err != nil {
			return err
		}
		if r.other.opener != nil { // it refuses first: it takes local keys only
			if err := r.other.opener.Reload(unwrappers); err != nil {
				return err
			}
		}
		if err := replace(unwrappers); err != nil {
			return err
		}
		p.env.Log.Info("keys loaded anew", "keys", names[keys.Unwrapper](unwrappers))
		return nil
	}
}
