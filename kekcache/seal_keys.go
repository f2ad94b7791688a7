package kekcache

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/keys"
)

// SealKeysOptions say which KEKs wrap the DEKs of a route and how long a DEK lives.
type SealKeysOptions struct {
	Wrappers []keys.Wrapper // every one becomes a recipient; 1 to 16
	Context  keys.Context
	Nonces   chunker.Nonces
	Limits   Limits
	Store    Store        // if not nil, envelopes refer to their key by kid, and the key records go there
	Codec    Codec        // needed
	Log      *slog.Logger // state changes; nil: none
	Audit    Auditor      // windows and state changes; nil: none
}

// maxWrappers is how many recipients an envelope has at most.
const maxWrappers = 16

func checkWrappers(wrappers []keys.Wrapper) error {
	switch {
	case len(wrappers) == 0:
		return errors.New("no key to encrypt to")
	case len(wrappers) > maxWrappers:
		return errors.New("more than 16 keys to encrypt to")
	}
	return nil
}

// maxSeals is how often messages may be sealed under one DEK. One seal is kept for the key record.
func (o *SealKeysOptions) maxSeals() uint64 {
	if o.Nonces == chunker.Random {
		return maxSealsRandom - 1
	}
	return maxSeals - 1
}

// SealKeys keeps the current DEK for sealing. It is safe for concurrent use.
type SealKeys struct {
	o       SealKeysOptions // but for Wrappers, which Reload changes
	current atomic.Pointer[window]
	now     atomic.Uint32 // unix seconds, while ticking
	ticking atomic.Bool   // Run keeps now, and ends windows by age
	quick   atomic.Bool   // the last DEK was made in no more than quickly
	wake    chan struct{} // the current window is low
	status  status
	trail   *trail

	reloading sync.Mutex // one Reload at a time

	mu       sync.Mutex
	wrappers []keys.Wrapper
	reloaded uint64        // how often wrappers was replaced
	next     []*window     // fetched ahead, the first to be current in front
	flight   *windowFlight // the fetch under way; nil if none is
	pace     pace
	closed   bool
}

// NewSealKeys validates o. No key service is called before Prepare or the first Take.
func NewSealKeys(o SealKeysOptions) (*SealKeys, error) {
	if err := checkWrappers(o.Wrappers); err != nil {
		return nil, err
	}
	if o.Codec == nil {
		return nil, errNoCodec
	}
	var err error
	if o.Limits, err = o.Limits.withDefaults(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &SealKeys{
		o:        o,
		wrappers: slices.Clone(o.Wrappers),
		wake:     make(chan struct{}, 1),
		trail:    newTrail(o.Audit),
	}, nil
}

// Prepare fetches the first DEK. Unlike later on, a key that is gone is an error at once.
func (c *SealKeys) Prepare(ctx context.Context) error {
	if c.current.Load() != nil {
		return nil
	}
	return c.advance(ctx, nil, "")
}

// Quota returns a new worker's holder.
func (c *SealKeys) Quota() *Quota { return &Quota{cache: c} }

// Close ends the current window and those that were fetched ahead. Nothing can be sealed afterwards: Take and the others
// return ErrClosed. Its error says that the end could not be audited.
func (c *SealKeys) Close() error {
	c.mu.Lock()
	c.closed = true
	c.drop(whyEnd)
	c.current.Store(nil)
	c.mu.Unlock()
	return c.trail.flush()
}

// drop ends all windows there are and the fetch under way. The caller holds c.mu.
func (c *SealKeys) drop(why string) {
	c.retire(c.current.Load(), why)
	for _, w := range c.next {
		c.retire(w, why)
	}
	c.next = nil
	if f := c.flight; f != nil {
		f.dropped = why
		f.cancel()
		close(f.done)
		c.flight = nil
	}
}

// Why a window was closed, in an Event.
const (
	whyAge      = "age"
	whyMessages = "messages"
	whyBytes    = "bytes"
	whySeals    = "seals"
	whyReload   = "reload"
	whyEnd      = "end"
)

// retire ends a window, also for those who hold blocks of it. It is called once for each that was opened, when it is taken
// out of current or next. The caller holds c.mu.
func (c *SealKeys) retire(w *window, why string) {
	if w == nil {
		return
	}
	w.ended.Store(true)
	c.trail.owe(w.key.event(OpWindowClosed, why))
}

// advance makes the next window current, unless spent no longer is. why says which limit ended spent. The new one may
// be over its age by then; who takes from it looks.
func (c *SealKeys) advance(ctx context.Context, spent *window, why string) error {
	if c.turn(spent, why) {
		return nil
	}
	defer c.waiting()()
	for {
		if err := c.fetch(ctx, spent); err != nil {
			c.probe()
			return err
		}
		if c.turn(spent, why) {
			return nil
		}
	}
}

// turn makes the next window current if it is there, and says whether spent is current no more.
func (c *SealKeys) turn(spent *window, why string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current.Load() != spent {
		return true
	}
	if len(c.next) == 0 {
		return false
	}
	c.enter(c.next[0])
	c.next = slices.Delete(c.next, 0, 1)
	c.retire(spent, why)
	return true
}

// enter makes w current. The caller holds c.mu.
func (c *SealKeys) enter(w *window) {
	w.entered = time.Now()
	c.current.Store(w)
}
