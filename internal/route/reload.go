package route

import (
	"context"
	"errors"

	"github.com/streamcrypt/streamcrypt/internal/kek"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// ErrNoReload says that a route reads its keys once: a raw file is done with one data key.
var ErrNoReload = errors.New("the keys of this route are read once")

// loadKeys has a route use the keys of these URLs from now on, or leaves everything as it is and returns an error.
type loadKeys func(ctx context.Context, urls []string) error

// keyLoader is a job whose keys can be loaded anew.
type keyLoader interface{ loadKeys() loadKeys }

func (r *records) loadKeys() loadKeys { return r.load }

// Reloads says whether Reload can do anything.
func (r *Route) Reloads() bool {
	_, ok := r.job.(keyLoader)
	return ok
}

// Reload reads the keys of urls, in the form of Config.Keys, and uses them from now on: the files may have changed, or the URLs. A
// route that seals makes a data key for them at once. On an error the keys stay as they are. It may be called while Run runs.
func (r *Route) Reload(ctx context.Context, urls []string) error {
	job, ok := r.job.(keyLoader)
	if !ok {
		return ErrNoReload
	}
	return explain(job.loadKeys()(ctx, urls))
}

func (p *plan) reloadSealing(sealing *kekcache.Sealing) loadKeys {
	return func(ctx context.Context, urls []string) error {
		wrappers, err := kek.Wrappers(ctx, urls, p.env.Log)
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

func (p *plan) reloadOpening(opening *kekcache.Opening) loadKeys {
	return func(ctx context.Context, urls []string) error {
		unwrappers, err := kek.Unwrappers(ctx, urls, p.env.Log)
		if err != nil {
			return err
		}
		if err := opening.Reload(unwrappers); err != nil {
			return err
		}
		p.env.Log.Info("keys loaded anew", "keys", names[keys.Unwrapper](unwrappers))
		return nil
	}
}
