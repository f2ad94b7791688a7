package nats

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/internal/retry"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// acquire waits until this process is the owner, and knows how far the last one
// has come. Its error is that of ctx, or matches ErrStateUnread or ErrNoLease:
// no other try would end otherwise before somebody grants a right. It may pass.
func (e *lease) acquire(ctx context.Context) error {
	for {
		if err := e.acquireEntry(ctx); err != nil {
			return err
		}
		if loaded, err := e.loadElsewhere(ctx); err != nil {
			return err
		} else if loaded {
			return nil
		}
		e.drop()
	}
}

// acquireEntry waits until this process is the owner. Its error is that of ctx.
func (e *lease) acquireEntry(ctx context.Context) error {
	var seen leaseRecord
	var revision uint64
	var since time.Time
	told := false
	for ctx.Err() == nil {
		started := time.Now()
		got, err := e.look(ctx)
		switch {
		case errors.Is(err, jetstream.ErrKeyNotFound):
			taken, err := e.take(ctx, nil, 0)
			if taken || err != nil {
				return err
			}
		case err != nil:
			err = e.conn.explainBucket(e.kv.Bucket(), started, err)
			if errors.Is(err, ErrNoLease) {
				return pipeline.Passing(err)
			}
			e.log.Warn("nats lease cannot be read", append(e.about, "error", err)...)
		default:
			record, current := parseLease(got.Value()), got.Revision()
			if current != revision {
				seen, revision, since = record, current, time.Now()
			}
			if record.Released || record.Owner == e.record.Owner || time.Since(since) >= leaseTime {
				taken, err := e.take(ctx, record.Position, current)
				if err != nil {
					return err
				}
				if taken {
					if !record.Released && record.Owner != e.record.Owner {
						e.log.Warn("nats lease taken over: its owner has not renewed it",
							append(e.about, "instance", seen.Instance)...)
					}
					return nil
				}
				break
			}
			if !told {
				told = true
				e.log.Info("another process reads this consumer; waiting for its lease",
					append(e.about, "instance", record.Instance)...)
			}
		}
		if err := retry.Sleep(ctx, leaseLook); err != nil {
			break
		}
	}
	return context.Cause(ctx)
}

// look returns the entry, or jetstream.ErrKeyNotFound.
func (e *lease) look(ctx context.Context) (jetstream.KeyValueEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseAnswer)
	defer cancel()
	return e.kv.Get(ctx, e.key)
}

// parseLease reads an entry. One that nobody can read has no owner that renews
// it, and is taken over in time.
func parseLease(text []byte) leaseRecord {
	var r leaseRecord
	if json.Unmarshal(text, &r) != nil {
		return leaseRecord{}
	}
	return r
}

// take writes the entry on top of a revision, and starts to renew it. It
// returns false if it has to be looked at again: somebody was faster, or the
// server is away. Its error matches ErrNoLease.
func (e *lease) take(ctx context.Context, position *savedPosition, revision uint64) (bool, error) {
	e.mu.Lock()
	e.record.Position, e.record.Released, e.elsewhere = position, false, nil
	e.mu.Unlock()
	sent := time.Now()
	revision, err := e.write(ctx, revision)
	switch {
	case err == nil:
	case isOvertaken(err) || ctx.Err() != nil:
		return false, nil //nolint:nilerr // documented: it is looked at again
	default:
		err = e.conn.explainBucket(e.kv.Bucket(), sent, err)
		if errors.Is(err, ErrNoLease) {
			return false, pipeline.Passing(err)
		}
		e.log.Warn("nats lease not taken, trying again", append(e.about, "error", err)...)
		return false, nil
	}
	e.mu.Lock()
	e.revision, e.until, e.lost = revision, sent.Add(ownerTime), false
	e.mu.Unlock()
	renewing, stop := context.WithCancel(context.Background())
	e.stop = stop
	e.loops.Go(func() { e.renewAlways(renewing) })
	if e.store != nil {
		e.loops.Go(func() { e.saveAlways(renewing) })
	}
	return true, nil
}

// isOvertaken tells whether somebody else has written an entry in between.
func isOvertaken(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &api) && api.ErrorCode == errLastSequenceOther
}
