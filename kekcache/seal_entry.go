package kekcache

import (
	"context"
	"errors"
	"time"

	"github.com/streamcrypt/streamcrypt/keys"
)

// sealEntry is the data keys of one Purpose, for as long as SealKeys keeps
// them: it brings together who makes them, who holds them, and how they can be
// had.
type sealEntry struct {
	name     purposeKey
	keks     *KEKs
	maker    *keyMaker
	windows  *windowQueue
	fetcher  *fetcher
	status   *keyStatus
	requests *requests // has Run fetch ahead

	users int // open Supplies; guarded by sealSet.mu
}

// newEntry makes the entry of a Purpose. Nothing is asked of any key service.
func (k *SealKeys) newEntry(name purposeKey, p Purpose) *sealEntry {
	log := k.o.Log
	if p.Context.Name != "" {
		log = log.With("context", p.Context.Name)
	}
	e := &sealEntry{
		name: name,
		keks: p.KEKs,
		maker: &keyMaker{
			purpose: p, maxAge: k.o.Limits.Age, codec: k.o.Codec, audit: k.audit,
			observed: observed{to: k.o.Observer, side: Sealing, context: p.Context.Name},
		},
		windows:  &windowQueue{},
		requests: k.requests,
	}
	e.windows.closing = func(w *window, why string) {
		k.audit.add(w.key.event(OpWindowClosed, why))
		e.maker.observed.noteClosed(w, why)
	}
	e.status = &keyStatus{log: log, audit: k.audit, observed: &e.maker.observed, live: e.isLive}
	e.fetcher = &fetcher{
		windows:    e.windows,
		limits:     k.o.Limits,
		seals:      sealsLeft(p.Nonces),
		patiently:  func(ctx context.Context) (*Key, error) { return e.makePatiently(ctx, k.o.Limits.Age) },
		once:       func(ctx context.Context) (*Key, error) { return e.maker.makeKey(ctx, e.keks.currentKeys()) },
		wakeRun:    func() { k.requests.addEntry(e) },
		flushAudit: k.audit.tryFlush,
	}
	return e
}

// isLive says that there is a window that may be sealed under.
func (e *sealEntry) isLive() bool {
	w := e.windows.current.Load()
	return w != nil && w.isLive(time.Now())
}

// closeForGood ends all windows for good.
func (e *sealEntry) closeForGood(why string) {
	e.fetcher.closeWindows(why)
	e.requests.dropEntry(e)
}

// prepareWindow makes the first window unless there was one.
func (e *sealEntry) prepareWindow(ctx context.Context) error {
	if e.windows.current.Load() != nil {
		return nil
	}
	return e.advanceWindow(ctx, nil, "")
}

// advanceWindow makes the next window current, unless spent no longer is. It
// waits while there is none. why says which limit ended spent.
func (e *sealEntry) advanceWindow(ctx context.Context, spent *window, why string) error {
	if e.windows.advanceWindow(spent, why) {
		return nil
	}
	defer e.status.beginWait()()
	for {
		if err := e.fetcher.fetchNext(ctx, spent); err != nil {
			e.askForProbe()
			return err
		}
		if e.windows.advanceWindow(spent, why) {
			return nil
		}
	}
}

// askForProbe leaves it to Run to find out when keys can be had again, for a
// caller that gives up waiting for one.
func (e *sealEntry) askForProbe() {
	if e.status.currentState() != Normal {
		e.requests.addEntry(e)
	}
}

// makePatiently makes a DEK that seals for so long, trying again while that can
// help.
func (e *sealEntry) makePatiently(ctx context.Context, lasts time.Duration) (key *Key, err error) {
	tries := repetition{mayPass: e.mayPass}
	err = tries.run(ctx, func() (err error) {
		if _, err := e.windows.openGeneration(); err != nil {
			return err
		}
		key, err = e.maker.makeKeyFor(ctx, e.keks.currentKeys(), lasts)
		switch {
		case err == nil:
		case ctx.Err() != nil: // the error says nothing about the service
			return ctx.Err()
		case !e.mayPass(err):
			return err
		}
		e.status.noteTry(ctx, err)
		e.maker.audit.tryFlush()
		return err
	})
	return key, err
}

// mayPass says that another try may help. Before the first window that holds
// only for a service that is away, so that a wrong configuration is an error at
// the start.
func (e *sealEntry) mayPass(err error) bool {
	var service *keys.Error
	isService := errors.As(err, &service)
	if isService && service.Class == keys.Away || errors.Is(err, errLate) {
		return true
	}
	var store *storeError
	var audit *auditError
	return e.windows.current.Load() != nil && (isService || errors.As(err, &store) || errors.As(err, &audit))
}

// tickAge ends the current window one to two periods before its age is reached,
// so that a tick which comes late by up to a period does no harm. Before that
// it asks for the next one.
func (e *sealEntry) tickAge(now time.Time, period time.Duration) {
	w := e.windows.current.Load()
	if w == nil {
		return
	}
	if age := w.age(now); age+2*period >= w.limits.Age {
		w.ended.Store(true)
	} else if age >= w.soft.age {
		e.fetcher.renewByAge(w)
	}
}
