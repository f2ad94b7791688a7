package kekcache

import (
	"math"
	"sync"

	"github.com/streamcrypt/streamcrypt/keys"
)

// sealSet keeps entries by Purpose: all that are in use, and of the others
// those used last, as far as the bound allows.
//
// Lock order: sealSet.mu, then flights.mu, then windowQueue.mu, then
// auditQueue.mu.
type sealSet struct {
	bound int // of all entries together

	mu      sync.Mutex
	entries map[purposeKey]*sealEntry
	idle    *lru[purposeKey, *sealEntry] // those of entries that nobody uses
	closed  bool
}

func newSealSet(bound int) *sealSet {
	return &sealSet{
		bound:   bound,
		entries: map[purposeKey]*sealEntry{},
		idle:    newLRU[purposeKey, *sealEntry](math.MaxInt, nil), // shrinkToBound bounds it
	}
}

// acquireEntry returns the entry of a Purpose, which is then in use until
// releaseEntry. An entry that is not there is made.
func (s *sealSet) acquireEntry(name purposeKey, makeEntry func() *sealEntry) (*sealEntry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	e := s.entries[name]
	if e == nil {
		e = makeEntry()
		s.entries[name] = e
	}
	e.users++
	s.idle.drop(name)
	s.shrinkToBound()
	return e, nil
}

// releaseEntry ends one use of an entry.
func (s *sealSet) releaseEntry(e *sealEntry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.users--
	if e.users == 0 && !s.closed {
		s.idle.put(e.name, e)
		s.shrinkToBound()
	}
}

// shrinkToBound evicts entries that nobody uses, those first that were used
// longest ago, until the bound holds. The caller holds s.mu.
func (s *sealSet) shrinkToBound() {
	for len(s.entries) > s.bound {
		_, e, ok := s.idle.oldest()
		if !ok {
			return
		}
		s.evictEntry(e)
	}
}

// evictEntry closes an entry that nobody uses, and forgets it. The caller holds
// s.mu.
func (s *sealSet) evictEntry(e *sealEntry) {
	s.idle.drop(e.name)
	delete(s.entries, e.name)
	e.closeForGood(whyEvicted)
}

// eachEntry calls do for every entry, under the lock.
func (s *sealSet) eachEntry(do func(*sealEntry)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		do(e)
	}
}

// usersOf returns the entries in use that seal for one of the KEKs.
func (s *sealSet) usersOf(keks map[*KEKs][]keys.Wrapper) (used []*sealEntry) {
	s.eachEntry(func(e *sealEntry) {
		if _, ok := keks[e.keks]; ok && e.users > 0 {
			used = append(used, e)
		}
	})
	return used
}

// replaceKEKs puts other keys into KEKs. The entries that seal for them go on
// with the window that was made for each; those for which none was made have
// none. Every window in made is in use afterwards, or closed.
func (s *sealSet) replaceKEKs(keks map[*KEKs][]keys.Wrapper, made map[*sealEntry]*window) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		for e, w := range made {
			e.windows.discardWindow(w, whyEnd)
		}
		return ErrClosed
	}
	for k, wrappers := range keks { // before any queue is replaced: see windowQueue.generation
		k.replaceKeys(wrappers)
	}
	for _, e := range s.entries {
		if _, ok := keks[e.keks]; ok {
			e.fetcher.replaceWindows(made[e], whyReload)
			delete(made, e)
		}
	}
	for e, w := range made { // evicted since
		e.windows.discardWindow(w, whyReload)
	}
	return nil
}

// closeAll closes all entries, for good.
func (s *sealSet) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, e := range s.entries {
		e.closeForGood(whyEnd)
	}
	clear(s.entries)
	s.idle.clear()
}
