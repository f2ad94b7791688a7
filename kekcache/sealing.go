package kekcache

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/keys"
)

// SealingOptions say which KEKs wrap the DEKs of a route and how long a DEK lives.
type SealingOptions struct {
	Wrappers []keys.Wrapper // every one becomes a recipient; 1 to 16
	Context  keys.Context
	Nonces   chunker.Nonces
	Window   Window
	// Store, if not nil, makes envelopes refer to their key by kid; Records then writes the key records.
	Store   Store
	Records Records
	Log     *slog.Logger // state changes; nil: none
	Audit   Auditor      // windows and state changes; nil: none
}

// maxSeals is how often messages may be sealed under one DEK. One seal is kept for the key record.
func (o *SealingOptions) maxSeals() uint64 {
	if o.Nonces == chunker.Random {
		return maxSealsRandom - 1
	}
	return maxSeals - 1
}

// Sealing keeps the current DEK for sealing. It is safe for concurrent use.
type Sealing struct {
	o       SealingOptions
	current atomic.Pointer[window]
	now     atomic.Uint32 // unix seconds, while ticking
	ticking atomic.Bool   // Run keeps now, and ends windows by age
	wake    chan struct{} // the current window is low
	status  status

	mu       sync.Mutex
	next     *window       // fetched ahead
	fetching chan struct{} // closed when the fetch under way has ended; nil if none is
}

// NewSealing validates o. No key service is called before Prepare or the first Take.
func NewSealing(o SealingOptions) (*Sealing, error) {
	var err error
	switch {
	case len(o.Wrappers) == 0:
		return nil, errors.New("no key to encrypt to")
	case len(o.Wrappers) > 16:
		return nil, errors.New("more than 16 keys to encrypt to")
	case o.Store != nil && o.Records == nil:
		return nil, errors.New("kekcache: a store needs Records")
	}
	if o.Window, err = o.Window.withDefaults(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Sealing{o: o, wake: make(chan struct{}, 1)}, nil
}

// Prepare fetches the first DEK. Unlike later on, a key that is gone is an error at once.
func (c *Sealing) Prepare(ctx context.Context) error {
	if c.current.Load() != nil {
		return nil
	}
	return c.advance(ctx, nil)
}

// Holder returns a new worker's holder.
func (c *Sealing) Holder() *Holder { return &Holder{cache: c} }

// advance makes the next window current, unless spent no longer is. It may be over its age by then; who takes from it
// looks.
func (c *Sealing) advance(ctx context.Context, spent *window) error {
	c.waiting(1)
	defer c.waiting(-1)
	for c.current.Load() == spent {
		if err := c.fetch(ctx, spent); err != nil {
			return err
		}
		c.mu.Lock()
		if w := c.next; w != nil && c.current.Load() == spent {
			c.next = nil
			if spent != nil {
				spent.ended.Store(true) // also for those who hold blocks of it: Run minds the age of the current one only
			}
			c.current.Store(w)
		}
		c.mu.Unlock()
	}
	return nil
}

// fetch sees to it that the window after spent is there: as the next one, or current by now. However many ask, one
// fetches; when its fetch ends without a window, as when its context does, another one takes over.
func (c *Sealing) fetch(ctx context.Context, spent *window) error {
	for {
		c.mu.Lock()
		there, wait := c.next != nil || c.current.Load() != spent, c.fetching
		if !there && wait == nil {
			c.fetching = make(chan struct{})
		}
		c.mu.Unlock()
		switch {
		case there:
			return nil
		case wait == nil:
			return c.lead(ctx)
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lead is the fetch for which the others wait.
func (c *Sealing) lead(ctx context.Context) error {
	var next *window
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.next = next
		close(c.fetching)
		c.fetching = nil
	}()
	key, err := c.generateUntil(ctx)
	if err != nil {
		return err
	}
	next = newWindow(key, &c.o)
	return nil
}
