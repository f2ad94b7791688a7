package route

import (
	"context"
	"log/slog"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keystore/dir"
)

// sealing loads the keys to encrypt to and makes the first data key: a wrong key file is an error before anything is read.
// The caller closes it.
func (p *plan) sealing(ctx context.Context, records bool) (*envelope.Sealer, error) {
	wrappers, err := keyring.Wrappers(ctx, p.Keys, p.env.Log)
	if err != nil {
		return nil, err
	}
	o := envelope.SealerOptions{
		Context:      string(p.context),
		ChunkSize:    int(p.ChunkSize),
		RandomNonces: p.nonces == chunker.Random,
		Limits:       kekcache.Limits{Age: p.Window, Messages: p.WindowMessages, Bytes: p.WindowBytes},
		Log:          p.env.Log,
		Audit:        p.audit,
	}
	if o.Store, err = p.openStore(); err != nil {
		return nil, err
	}
	sealer, err := envelope.NewSealer(wrappers, o)
	if err != nil {
		return nil, err
	}
	// A long raw file has a key of its own, so one that is made here would leave a key record that nothing refers to.
	if records || o.Store == nil {
		if err := sealer.Prepare(ctx); err != nil {
			return nil, err
		}
	}
	p.env.Log.Debug("data key ready", "keys", names[keys.Wrapper](wrappers))
	return sealer, nil
}

// opening loads the keys to decrypt with.
func (p *plan) opening(ctx context.Context) (*envelope.Opener, error) {
	unwrappers, err := keyring.Unwrappers(ctx, p.Keys, p.env.Log)
	if err != nil {
		return nil, err
	}
	o := envelope.OpenerOptions{Context: string(p.context), Log: p.env.Log, Audit: p.audit}
	if o.Store, err = p.openStore(); err != nil {
		return nil, err
	}
	p.env.Log.Debug("keys loaded", "keys", names[keys.Unwrapper](unwrappers))
	return envelope.NewOpener(unwrappers, o)
}

// openStore returns nil if no store is configured.
func (p *plan) openStore() (kekcache.Store, error) {
	if p.store == "" {
		return nil, nil
	}
	return dir.Open(p.store)
}

// names lists keys for a log; it costs nothing if the line is not written.
type names[K interface{ Name() string }] []K

func (n names[K]) LogValue() slog.Value {
	out := make([]string, len(n))
	for i, k := range n {
		out[i] = k.Name()
	}
	return slog.AnyValue(out)
}
