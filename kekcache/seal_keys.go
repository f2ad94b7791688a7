package kekcache

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/keys"
)

// SealKeysOptions say how long data keys live.
type SealKeysOptions struct {
	Codec       Codec        // needed
	Limits      Limits       // of each data key
	MaxPurposes int          // how many Purposes keep their data keys; default 1,000. Those in use are always kept
	Log         *slog.Logger // state changes; nil: none
	Audit       Auditor      // windows and state changes; nil: none
	Observer    Observer     // nil: none
}

// DefaultMaxPurposes is SealKeysOptions.MaxPurposes unless that is set.
const DefaultMaxPurposes = 1000

// SealKeys keeps the current data key of each Purpose in use for sealing, and
// of as many others as its bound allows. It is safe for concurrent use.
type SealKeys struct {
	o        SealKeysOptions
	clock    clock
	set      *sealSet
	requests *requests
	audit    *auditQueue

	reloading sync.Mutex // one Reload at a time
}

// NewSealKeys validates o. No key service is called before a data key is
// needed.
func NewSealKeys(o SealKeysOptions) (*SealKeys, error) {
	var err error
	if o.Limits, err = o.Limits.withDefaults(); err != nil {
		return nil, err
	}
	switch {
	case o.Codec == nil:
		return nil, errNoCodec
	case o.MaxPurposes < 0:
		return nil, errors.New("purposes kept: the number must not be negative")
	case o.MaxPurposes == 0:
		o.MaxPurposes = DefaultMaxPurposes
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &SealKeys{
		o:        o,
		set:      newSealSet(o.MaxPurposes),
		requests: newRequests(),
		audit:    newAuditQueue(o.Audit),
	}, nil
}

// Supply is the data keys of one Purpose for one user. While it is open, the
// SealKeys keeps them. It is safe for concurrent use.
type Supply struct {
	keys   *SealKeys
	entry  *sealEntry
	closed atomic.Bool
}

// Supply returns the data keys of a Purpose. The caller must close it, and then
// use nothing more that came from it.
func (k *SealKeys) Supply(p Purpose) (*Supply, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	p.Context.Pairs = maps.Clone(p.Context.Pairs)
	name, err := p.key()
	if err != nil {
		return nil, err
	}
	entry, err := k.set.acquireEntry(name, func() *sealEntry { return k.newEntry(name, p) })
	if err != nil {
		return nil, err
	}
	return &Supply{keys: k, entry: entry}, nil
}

// Prepare makes the first data key, unless there is one. Unlike later on, a key
// service that refuses is an error at once.
func (s *Supply) Prepare(ctx context.Context) error { return s.entry.prepareWindow(ctx) }

// NewQuota returns a share of the data keys for one goroutine.
func (s *Supply) NewQuota() *Quota { return &Quota{entry: s.entry, clock: &s.keys.clock} }

// Close ends the use of the Supply. The data keys stay until they are evicted.
func (s *Supply) Close() {
	if !s.closed.Swap(true) {
		s.keys.set.releaseEntry(s.entry)
		s.keys.audit.tryFlush()
	}
}

// Reload has data keys wrapped for other KEKs from now on, or for the same ones
// read again. For every Purpose in use it makes a data key in one try, and on
// an error everything stays as it was. When Reload returns, those data keys are
// current, so that nobody waits, and the windows before them are closed:
// nothing more is sealed for a KEK that was removed. A Take that is under way
// may be the last to use the old one. Purposes that are not in use make theirs
// when they are.
func (k *SealKeys) Reload(ctx context.Context, to map[*KEKs][]keys.Wrapper) error {
	copied := make(map[*KEKs][]keys.Wrapper, len(to))
	for keks, wrappers := range to {
		if err := checkWrappers(wrappers); err != nil {
			return err
		}
		copied[keks] = slices.Clone(wrappers)
	}
	k.reloading.Lock()
	defer k.reloading.Unlock()
	defer k.audit.tryFlush()
	made, err := k.makeWindows(ctx, copied)
	if err != nil {
		return err
	}
	ready := slices.Collect(maps.Keys(made)) // replace takes them out
	if err := k.set.replaceKEKs(copied, made); err != nil {
		return err
	}
	for _, e := range ready {
		e.status.noteTry(ctx, nil)
	}
	return nil
}

// makeWindows makes a window for other KEKs, for each Purpose in use; all or
// none.
func (k *SealKeys) makeWindows(ctx context.Context, to map[*KEKs][]keys.Wrapper) (map[*sealEntry]*window, error) {
	made := map[*sealEntry]*window{}
	for _, e := range k.set.usersOf(to) {
		key, err := e.maker.makeKey(ctx, to[e.keks])
		if err != nil {
			for e, w := range made {
				e.windows.discardWindow(w, whyReload)
			}
			return nil, err
		}
		made[e] = e.fetcher.newWindow(key)
	}
	return made, nil
}

// Status returns the worst State of all Purposes with its cause, and the sums
// of their counts.
func (k *SealKeys) Status() (all Status) {
	k.set.eachEntry(func(e *sealEntry) { all.add(e.status.snapshot()) })
	return all
}

// Close ends all windows. Nothing can be sealed afterwards: Take and the others
// return ErrClosed. Its error says that the end could not be audited.
func (k *SealKeys) Close() error {
	k.set.closeAll()
	return k.audit.flush()
}
