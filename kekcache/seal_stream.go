package kekcache

import (
	"context"
	"sync"
	"time"
)

// StreamKey returns leave to seal one stream of unknown length under a DEK of
// its own. The window does not apply; the caller keeps to the hard limits: 2^32
// seals (2^31 with random nonces), one of which is the key record's, and 2^40
// bytes, and calls Done at the end. It waits while no key can be had, until ctx
// ends.
func (s *Supply) StreamKey(ctx context.Context) (*Grant, error) {
	e := s.entry
	defer e.status.beginWait()()
	for {
		before, err := e.windows.openGeneration()
		if err != nil {
			return nil, err
		}
		key, err := e.makePatiently(ctx, 0)
		if err != nil {
			e.askForProbe()
			return nil, err
		}
		switch now, err := e.windows.openGeneration(); {
		case err != nil:
			e.maker.discardKey(key, whyEnd)
			return nil, err
		case now != before: // it may be for a KEK that was removed
			e.maker.discardKey(key, whyReload)
			continue
		}
		return e.grantStream(key)
	}
}

func (e *sealEntry) grantStream(key *Key) (*Grant, error) {
	done := sync.OnceFunc(func() { e.maker.discardKey(key, whyEnd) })
	sealer, err := key.sealing.NewSealer()
	if err != nil {
		done()
		return nil, err
	}
	return &Grant{Key: key, Sealer: sealer, Created: key.date(unixTime(time.Now())), done: done}, nil
}
