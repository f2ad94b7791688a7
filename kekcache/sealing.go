package kekcache

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

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
}

func (o *SealingOptions) maxSeals() uint64 {
	if o.Nonces == chunker.Random {
		return maxSealsRandom
	}
	return maxSeals
}

// Sealing keeps the current DEK for sealing. It is safe for concurrent use.
type Sealing struct {
	o       SealingOptions
	current atomic.Pointer[window]
	now     atomic.Uint32 // unix seconds, while ticking
	ticking atomic.Bool   // Run keeps now, and ends windows by age
	wake    chan struct{} // the current window is low
	state   state

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

// Run fetches DEKs ahead and keeps the time until ctx ends. Without it everything works, but whoever takes the
// last of a window waits for the next key, and each Take reads the clock.
func (c *Sealing) Run(ctx context.Context) {
	period := max(min(time.Second, c.o.Window.Age/64), time.Millisecond)
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	c.tick(time.Now(), period)
	c.ticking.Store(true)
	defer c.ticking.Store(false)
	var ahead sync.WaitGroup
	defer ahead.Wait()
	ahead.Go(func() { c.fetchAhead(ctx) })
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			c.tick(now, period)
		}
	}
}

// tick notes the time and ends the current window one period before its limit, so that it is never overrun.
func (c *Sealing) tick(now time.Time, period time.Duration) {
	c.now.Store(unix(now))
	w := c.current.Load()
	if w == nil {
		return
	}
	if age := w.age(now); age+period >= w.limits.Age {
		w.ended.Store(true)
	} else if age >= w.soft.age {
		c.ask(w)
	}
}

func (c *Sealing) askIfLow(w *window) {
	if w.low() {
		c.ask(w)
	}
}

// ask wakes fetchAhead, once per window.
func (c *Sealing) ask(w *window) {
	if !w.asked.Load() && w.asked.CompareAndSwap(false, true) {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

func (c *Sealing) fetchAhead(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		if err := c.fetch(ctx); err != nil && ctx.Err() == nil {
			c.o.Log.Error("the next data key cannot be made", "error", err)
		}
	}
}

// advance makes the next window current, unless spent no longer is.
func (c *Sealing) advance(ctx context.Context, spent *window) error {
	for c.current.Load() == spent {
		if err := c.fetch(ctx); err != nil {
			return err
		}
		c.mu.Lock()
		if w := c.next; w != nil && c.current.Load() == spent {
			c.next = nil
			if w.age(time.Now()) < w.limits.Age {
				if spent != nil {
					spent.ended.Store(true)
				}
				c.current.Store(w)
			}
		}
		c.mu.Unlock()
	}
	return nil
}

// fetch sees to it that the next window is there. However many ask, one fetches.
func (c *Sealing) fetch(ctx context.Context) error {
	for {
		c.mu.Lock()
		if c.next != nil {
			c.mu.Unlock()
			return nil
		}
		wait := c.fetching
		if wait == nil {
			c.fetching = make(chan struct{})
			c.mu.Unlock()
			break
		}
		c.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	w, err := c.generateUntil(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.next = w
	}
	close(c.fetching)
	c.fetching = nil
	return err
}
