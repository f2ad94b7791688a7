package route

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/internal/retry"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// window returns the configured limits of a data key.
func (p *plan) window() kekcache.Limits {
	return kekcache.Limits{Age: p.Window, Messages: p.WindowMessages, Bytes: p.WindowBytes}
}

// loadSealing loads the keys to encrypt to and makes the first data key, so
// that a wrong key file is an error before anything is read. The caller closes
// it.
func (p *plan) loadSealing(ctx context.Context, records bool) (*envelope.Sealer, error) {
	wrappers, err := p.loadWrappers(ctx)
	if err != nil {
		return nil, err
	}
	p.keyNames, p.keySet = listNames(wrappers), nameKeys(wrappers)
	o, err := p.sealerOptions()
	if err != nil {
		return nil, err
	}
	sealer, err := envelope.NewSealer(wrappers, o)
	if err != nil {
		return nil, err
	}
	// A long raw file has a data key of its own, so another one that is made
	// here would leave a key record that no envelope refers to.
	if records || o.Store == nil {
		if err := p.prepareSealer(ctx, sealer, wrappers); err != nil {
			return nil, errors.Join(err, sealer.Close())
		}
	}
	if p.dictionary != nil && o.Store != nil {
		if err := sealer.StoreDictionary(ctx, o.Store); err != nil {
			return nil, errors.Join(err, sealer.Close())
		}
	}
	p.env.Log.Debug("data key ready", "keys", names[keys.Wrapper](wrappers))
	return sealer, nil
}

// sealerOptions returns the options of a Sealer of all messages.
func (p *plan) sealerOptions() (o envelope.SealerOptions, err error) {
	o = envelope.SealerOptions{
		Context:      string(p.context),
		KeyContext:   p.KeyContext,
		Bind:         p.bind,
		Coding:       p.coding,
		Signer:       p.signer,
		ChunkSize:    int(p.ChunkSize),
		RandomNonces: p.nonces == chunker.Random,
		Limits:       p.window(),
		Log:          p.env.Log,
		Audit:        p.audit,
		Observer:     p.newKeyObserver(),
	}
	o.Store, err = p.openStore()
	return o, err
}

// nameKeys returns a short name of a set of keys, whatever their order.
//
// Once keys tell their alg and kid, it is the hash of docs/envelope.md, section
// 18.
func nameKeys(wrappers []keys.Wrapper) (short [8]byte) {
	all := make([]string, len(wrappers))
	for i, w := range wrappers {
		all[i] = w.Name()
	}
	slices.Sort(all)
	sum := sha256.Sum256([]byte(strings.Join(all, "\n")))
	return [8]byte(sum[:])
}

// prepareSealer makes the first data key, for which key services may have to be
// waited for.
func (p *plan) prepareSealer(ctx context.Context, sealer *envelope.Sealer, wrappers []keys.Wrapper) error {
	cause := func() error { return sealer.Status().Cause }
	service := "key " + strings.Join(names[keys.Wrapper](wrappers).listNames(), ", ")
	return p.patience.Watch(ctx, service, cause, sealer.Prepare)
}

// loadWrappers loads the keys to wrap for. To look for credentials may take
// another service.
func (p *plan) loadWrappers(ctx context.Context) ([]keys.Wrapper, error) {
	return p.loadWrappersOf(ctx, p.Keys)
}

// loadWrappersOf loads the keys of urls to wrap for.
func (p *plan) loadWrappersOf(ctx context.Context, urls []string) (wrappers []keys.Wrapper, err error) {
	err = p.patience.Await(ctx, "credentials of keys", retry.IsAway, func(ctx context.Context) (err error) {
		wrappers, err = keyring.LoadWrappers(ctx, urls, p.keyEnv())
		return err
	})
	return wrappers, err
}

// loadUnwrappers loads the keys of urls to unwrap with. See loadWrappers.
func (p *plan) loadUnwrappers(ctx context.Context, urls []string) (unwrappers []keys.Unwrapper, err error) {
	err = p.patience.Await(ctx, "credentials of keys", retry.IsAway, func(ctx context.Context) (err error) {
		unwrappers, err = keyring.LoadUnwrappers(ctx, urls, p.keyEnv())
		return err
	})
	return unwrappers, err
}

// loadOpening loads the keys to decrypt with.
func (p *plan) loadOpening(ctx context.Context) (*envelope.Opener, error) {
	unwrappers, err := p.loadUnwrappers(ctx, p.openingKeys())
	if err != nil {
		return nil, err
	}
	p.keyNames = listNames(unwrappers)
	o, err := p.openerOptions()
	if err != nil {
		return nil, err
	}
	if !p.raw {
		o.MaxInflated = int64(p.pipelineOptions().MaxValue() / 2)
	}
	p.env.Log.Debug("keys loaded", "keys", names[keys.Unwrapper](unwrappers))
	return envelope.NewOpener(unwrappers, o)
}

// loadRewrapping loads the keys to rewrap from and for.
func (p *plan) loadRewrapping(ctx context.Context) (*envelope.Rewrapper, error) {
	from, to, o, err := p.loadRewrapKeys(ctx)
	if err != nil {
		return nil, err
	}
	return envelope.NewRewrapper(from, to, o)
}

// loadRewrapKeys loads the keys to rewrap from and for, and returns the options
// of a Rewrapper with them.
func (p *plan) loadRewrapKeys(ctx context.Context) (
	from []keys.Unwrapper, to []keys.Wrapper, o envelope.RewrapperOptions, err error,
) {
	if from, err = p.loadUnwrappers(ctx, p.OldKeys); err != nil {
		return nil, nil, o, hint.PrefixError("old", err)
	}
	if to, err = p.loadWrappers(ctx); err != nil {
		return nil, nil, o, err
	}
	p.keyNames = listNames(to)
	o = envelope.RewrapperOptions{
		Context: string(p.context), KeyContext: p.KeyContext, Signers: p.signers, Skew: p.MaxSkew,
		PassUntrusted: p.passes(pipeline.ReasonUntrusted), Verify: p.VerifyKeys, Audit: p.audit,
		Observer: p.newKeyObserver(), Log: p.env.Log,
	}
	if o.Store, err = p.openStore(); err != nil {
		return nil, nil, o, err
	}
	p.env.Log.Info("keys loaded", "old", names[keys.Unwrapper](from), "new", names[keys.Wrapper](to))
	return from, to, o, nil
}

// keyEnv returns the surroundings of the route's keys.
func (p *plan) keyEnv() keyring.Env { return keyring.Env{Log: p.env.Log, Observer: &p.watch} }

// openStore returns nil if no store is configured.
func (p *plan) openStore() (kekcache.Store, error) {
	if p.KeyStore == "" {
		return nil, nil //nolint:nilnil // documented: none is configured
	}
	return keyring.OpenStore(p.KeyStore)
}

// names lists keys for a log; it costs nothing if the line is not written.
type names[K interface{ Name() string }] []K

// LogValue implements slog.LogValuer.
func (n names[K]) LogValue() slog.Value { return slog.AnyValue(n.listNames()) }

func (n names[K]) listNames() []string {
	out := make([]string, len(n))
	for i, k := range n {
		out[i] = k.Name()
	}
	return out
}
