package route

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// window returns the configured limits of a data key.
func (p *plan) window() kekcache.Window {
	return kekcache.Window{Age: p.Window, Messages: p.WindowMessages, Bytes: p.WindowBytes}
}

// loadSealing loads the keys to encrypt to and makes the first data key, so
// that a wrong key file is an error before anything is read. The caller closes
// it.
func (p *plan) loadSealing(ctx context.Context, records bool) (*kekcache.Sealing, error) {
	wrappers, err := keyring.LoadWrappers(ctx, p.Keys, p.env.Log)
	if err != nil {
		return nil, err
	}
	o := kekcache.SealingOptions{
		Wrappers: wrappers,
		Context:  keys.Context{Name: string(p.context)},
		Nonces:   p.nonces,
		Window:   p.window(),
		Records:  envelope.Records{Context: p.context},
		Log:      p.env.Log,
		Audit:    p.audit,
	}
	if o.Store, err = p.openStore(); err != nil {
		return nil, err
	}
	sealing, err := kekcache.NewSealing(o)
	if err != nil {
		return nil, err
	}
	// A long raw file has a data key of its own, so another one that is made
	// here would leave a key record that no envelope refers to.
	if records || o.Store == nil {
		if err := sealing.Prepare(ctx); err != nil {
			return nil, err
		}
	}
	p.env.Log.Debug("data key ready", "keys", names[keys.Wrapper](wrappers))
	return sealing, nil
}

// loadOpening loads the keys to decrypt with.
func (p *plan) loadOpening(ctx context.Context) (*kekcache.Opening, error) {
	unwrappers, err := keyring.LoadUnwrappers(ctx, p.Keys, p.env.Log)
	if err != nil {
		return nil, err
	}
	o := kekcache.OpeningOptions{
		Unwrappers: unwrappers,
		Context:    keys.Context{Name: string(p.context)},
		Records:    envelope.Records{Context: p.context},
		Log:        p.env.Log,
		Audit:      p.audit,
	}
	if o.Store, err = p.openStore(); err != nil {
		return nil, err
	}
	p.env.Log.Debug("keys loaded", "keys", names[keys.Unwrapper](unwrappers))
	return kekcache.NewOpening(o)
}

// loadRewrapping loads the keys to rewrap from and for.
func (p *plan) loadRewrapping(ctx context.Context) (*kekcache.Rewrapping, error) {
	from, err := keyring.LoadUnwrappers(ctx, p.OldKeys, p.env.Log)
	if err != nil {
		return nil, hint.PrefixError("old", err)
	}
	to, err := p.loadTargets(ctx)
	if err != nil {
		return nil, err
	}
	o := kekcache.RewrappingOptions{
		From: from, To: to, Context: keys.Context{Name: string(p.context)},
		Codec: envelope.Recipients{}, Verify: p.VerifyKeys, Audit: p.audit, Log: p.env.Log,
	}
	if o.Store, err = p.openStore(); err != nil {
		return nil, err
	}
	p.env.Log.Info("keys loaded", "old", names[keys.Unwrapper](from), "new", names[kekcache.Target](to))
	return kekcache.NewRewrapping(o)
}

// loadTargets loads the keys to rewrap for.
func (p *plan) loadTargets(ctx context.Context) ([]kekcache.Target, error) {
	wrappers, err := keyring.LoadWrappers(ctx, p.Keys, p.env.Log)
	if err != nil {
		return nil, err
	}
	targets := make([]kekcache.Target, len(wrappers))
	for i, w := range wrappers {
		t, ok := w.(kekcache.Target)
		if !ok {
			return nil, fmt.Errorf("key %s: cannot tell what is wrapped for it already", w.Name())
		}
		targets[i] = t
	}
	return targets, nil
}

// openStore returns nil if no store is configured.
func (p *plan) openStore() (kekcache.Store, error) {
	if p.KeyStore == "" {
		return nil, nil
	}
	return keyring.OpenStore(p.KeyStore)
}

// names lists keys for a log; it costs nothing if the line is not written.
type names[K interface{ Name() string }] []K

// LogValue implements slog.LogValuer.
func (n names[K]) LogValue() slog.Value {
	out := make([]string, len(n))
	for i, k := range n {
		out[i] = k.Name()
	}
	return slog.AnyValue(out)
}
