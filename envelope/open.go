package envelope

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// OpenerOptions say how an Opener opens. The zero value is good for a start.
type OpenerOptions struct {
	// Context is the Sealer's, as it was when the envelopes were sealed.
	Context string
	// Pairs are the Sealer's.
	Pairs map[string]string
	// Store has the key records of envelopes that name their data key; nil:
	// those are refused.
	Store kekcache.Store

	// MaxKeys is how many unwrapped data keys are kept; default 100,000 (about
	// 30 MiB).
	MaxKeys int
	// MaxAge is how long an unwrapped data key is used; default 1 hour.
	MaxAge time.Duration
	// Log is told of key services and stores that are waited for; nil: nobody.
	Log *slog.Logger
	// Audit keeps a record of unwrapped and refused data keys; nil: none. If
	// an unwrapping cannot be recorded, its data key is not used.
	Audit kekcache.Auditor
	// Observer is told of data keys and calls of key services; nil: nobody.
	Observer kekcache.Observer
}

// Opener opens messages and streams. It is safe for concurrent use. It must not
// be copied.
type Opener struct {
	context string
	keys    *kekcache.OpenKeys
	workers sync.Pool // of *OpenWorker
}

// NewOpener returns an Opener that opens with the given keys, which are asked
// in this order. No key service is called before the first Open.
func NewOpener(keks []keys.Unwrapper, o OpenerOptions) (*Opener, error) {
	openKeys, err := NewOpenKeys(kekcache.OpenKeysOptions{
		Unwrappers: keks, Context: keys.Context{Name: o.Context, Pairs: o.Pairs}, Store: o.Store,
		MaxKeys: o.MaxKeys, MaxAge: o.MaxAge, Log: o.Log, Audit: o.Audit, Observer: o.Observer,
	})
	if err != nil {
		return nil, err
	}
	op := &Opener{context: o.Context, keys: openKeys}
	op.workers.New = func() any { return op.NewWorker() }
	return op, nil
}

// Open verifies the envelope e and appends its payload to dst: whole or not at
// all. A refusal is an *Error; any other error is not the message's fault. It
// waits while a key service or the store is away, until ctx ends. On an error
// the spare capacity of dst holds no plaintext.
func (o *Opener) Open(ctx context.Context, dst, e []byte, b Binding) ([]byte, error) {
	w := o.workers.Get().(*OpenWorker)
	defer o.workers.Put(w)
	out, _, err := w.Open(ctx, dst, e, &b)
	return out, err
}

// Reload opens with other keys from now on. Data keys that the old ones have
// unwrapped are dropped.
func (o *Opener) Reload(keks []keys.Unwrapper) error { return o.keys.Reload(keks) }

// Status says whether somebody waits for a key service or the store.
func (o *Opener) Status() kekcache.Status { return o.keys.Status() }

// NewOpenKeys returns unwrapped data keys without an Opener, for a program that
// asks whether envelopes can be opened. o.Codec is that of this package.
func NewOpenKeys(o kekcache.OpenKeysOptions) (*kekcache.OpenKeys, error) {
	o.Codec = codec{}
	return kekcache.NewOpenKeys(o)
}
