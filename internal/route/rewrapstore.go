package route

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// storeWorkers is how many key records are rewrapped at a time: a key service
// answers slowly, and takes many calls.
const storeWorkers = 8

// storeRewrap rewraps all records of a key store.
type storeRewrap struct {
	name    string
	store   kekcache.Store
	rewraps rewraps
	env     Env

	mu      sync.Mutex
	done    int64 // kids
	reasons map[pipeline.Reason]int64
}

func openStoreRewrap(ctx context.Context, c Config, env Env) (*Route, error) {
	about := About{Direction: rewrap.String(), From: c.KeyStore, To: c.KeyStore}
	r := &Route{env: env.complete(), about: about}
	if err := r.openStore(ctx, c); err != nil {
		return nil, r.env.explain(errors.Join(err, r.closers.close()))
	}
	return r, nil
}

func (r *Route) openStore(ctx context.Context, c Config) error {
	if c.KeyStore == "" {
		return hint.New("nothing to rewrap is named",
			"say --from and --to, or --keystore alone to rewrap all of its key records")
	}
	p := &plan{Config: c, env: r.env, do: rewrap, context: []byte(c.Context)}
	if err := p.readKeys(); err != nil {
		return err
	}
	if err := p.checkDistinct(); err != nil {
		return err
	}
	if err := p.openAudit(&r.closers); err != nil {
		return err
	}
	s := &storeRewrap{name: p.KeyStore, env: p.env, reasons: map[pipeline.Reason]int64{}}
	r.job = s
	var err error
	if s.store, err = keyring.OpenStore(p.KeyStore); err != nil {
		return err
	}
	if err = p.loadFiles(); err == nil {
		s.rewraps.keys, err = p.loadRewrapping(ctx)
	}
	return err
}

// run hands every kid of the store to one of the workers.
func (s *storeRewrap) run(ctx context.Context) error {
	working, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	kids := make(chan [kekcache.KIDSize]byte)
	var workers sync.WaitGroup
	for range storeWorkers {
		workers.Go(func() {
			for kid := range kids {
				if err := s.rewrapRecord(working, kid); err != nil {
					cancel(fmt.Errorf("key record %s: %w", hex.EncodeToString(kid[:]), err))
				}
			}
		})
	}
	err := s.store.Each(working, func(kid [kekcache.KIDSize]byte) error {
		if working.Err() != nil { // select might take a worker that waits nonetheless
			return context.Cause(working)
		}
		select {
		case kids <- kid:
			return nil
		case <-working.Done():
			return context.Cause(working)
		}
	})
	close(kids)
	workers.Wait()
	switch {
	case ctx.Err() != nil:
		return ErrInterrupted
	case context.Cause(working) != nil:
		err = context.Cause(working)
	case err == nil:
		err = s.findRefusal()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

// rewrapRecord rewraps the records of one kid. A record that none of the old
// keys unwraps is noted, and the others go on.
func (s *storeRewrap) rewrapRecord(ctx context.Context, kid [kekcache.KIDSize]byte) error {
	already, err := s.rewraps.keys.RewrapRecord(ctx, kid[:])
	reason := pipeline.Reason("")
	switch {
	case errors.Is(err, kekcache.ErrUnknownKey):
		reason = pipeline.ReasonUnknownKey
	case errors.Is(err, kekcache.ErrWrongKey):
		reason = pipeline.ReasonWrongKey
	case err != nil:
		return err
	case already:
		s.rewraps.stats.Already.Add(1)
	default:
		s.rewraps.stats.Rewrapped.Add(1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done++
	if reason != "" {
		s.reasons[reason]++
		s.env.Log.Warn("key record cannot be rewrapped", "kid", hex.EncodeToString(kid[:]), "reason", reason)
	}
	return nil
}

// findRefusal returns an error unless all went well.
func (s *storeRewrap) findRefusal() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, reason := range []envelope.Reason{envelope.ReasonWrongKey, envelope.ReasonUnknownKey} {
		if n := s.reasons[pipeline.Reason(reason)]; n > 0 {
			return &envelope.Error{Reason: reason,
				Err: fmt.Errorf("%s: %d of %d key records could not be rewrapped", reason, n, s.done)}
		}
	}
	return nil
}

func (s *storeRewrap) snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap := Snapshot{
		Lag:      watch.Unknown,
		Messages: s.done, Reasons: maps.Clone(s.reasons),
		Progress: endpoint.Progress{Done: s.done, Unit: endpoint.Messages},
	}
	for _, n := range s.reasons {
		snap.Rejected += n
	}
	s.rewraps.report(&snap)
	return snap
}
