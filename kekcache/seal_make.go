package kekcache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/internal/secret"
	"github.com/streamcrypt/streamcrypt/keys"
)

// Key is a DEK in use for sealing, and how it was wrapped. It is immutable.
type Key struct {
	Commitment  [chunker.CommitmentSize]byte
	Recipients  []keys.Wrapped
	ByReference bool // the recipients stand in a key record, in a store
	sealing     *chunker.SealingKey
	keks        []string  // the names of those that wrapped it
	born        time.Time // before it was asked for; with the monotonic clock
}

// KID is the first KIDSize bytes of the commitment.
func (k *Key) KID() [KIDSize]byte { return [KIDSize]byte(k.Commitment[:KIDSize]) }

// event returns an Event about the key.
func (k *Key) event(op Op, why string) Event {
	return Event{Op: op, KEKs: k.keks, KID: k.Commitment[:KIDSize:KIDSize], Why: why}
}

// storeError says that a key record could not be stored; it is worth another
// try.
type storeError struct{ err error }

func (e *storeError) Error() string { return "key record: " + e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// errLate says that a DEK was over its age before it was there; it is worth
// another try.
var errLate = errors.New("data key: it took longer to make than it may live")

// keyMaker makes one DEK for a purpose: it has it wrapped, stored and audited.
type keyMaker struct {
	purpose  Purpose
	maxAge   time.Duration
	codec    Codec
	audit    *auditQueue
	observed observed
}

// makeKey makes a DEK, has it wrapped for every recipient and, by reference,
// its record stored. It finds out first whether anything can be audited, and
// audits last that the DEK may be used.
func (m *keyMaker) makeKey(ctx context.Context, wrappers []keys.Wrapper) (*Key, error) {
	if err := m.audit.flush(); err != nil {
		return nil, err
	}
	born := time.Now()
	ctx, requests := keys.CollectRequests(ctx)
	key, err := m.wrapKey(ctx, wrappers)
	if err != nil {
		return nil, err
	}
	key.born = born
	if key.ByReference {
		if err := m.storeRecord(ctx, key); err != nil {
			return nil, err
		}
	}
	if time.Since(born) >= m.maxAge {
		return nil, errLate
	}
	opened := key.event(OpWindowOpened, "")
	opened.Requests = requests.IDs()
	if err := m.audit.recordNow(opened); err != nil {
		return nil, err
	}
	m.observed.noteEvent(OpWindowOpened, key.keks, "")
	return key, nil
}

// discardKey audits that nothing more is sealed under a key that is in no
// window.
func (m *keyMaker) discardKey(key *Key, why string) {
	m.observed.noteUnused(key, why)
	m.audit.add(key.event(OpWindowClosed, why))
	_ = m.audit.flush() // after an error it stays in the queue
}

// wrapKey makes a DEK and has it wrapped.
func (m *keyMaker) wrapKey(ctx context.Context, wrappers []keys.Wrapper) (key *Key, err error) {
	secret.Do(func() {
		var dek [chunker.KeySize]byte
		defer clear(dek[:])
		var recipients []keys.Wrapped
		if recipients, err = m.wrapForAll(ctx, wrappers, &dek); err != nil {
			return
		}
		var sealing *chunker.SealingKey
		if sealing, err = chunker.NewSealingKey(&dek, m.purpose.Nonces); err != nil {
			return
		}
		key = &Key{
			Commitment:  sealing.Commitment(),
			Recipients:  recipients,
			ByReference: m.purpose.Store != nil,
			sealing:     sealing,
			keks:        namesOf(wrappers),
		}
	})
	return key, err
}

// namesOf returns the names of KEKs.
func namesOf[K interface{ Name() string }](keks []K) []string {
	all := make([]string, len(keks))
	for i, k := range keks {
		all[i] = k.Name()
	}
	return all
}

// wrapForAll fills dek and returns one wrapping per KEK, in their order. The
// first service that generates DEKs does; without one the DEK comes from this
// process.
func (m *keyMaker) wrapForAll(
	ctx context.Context, wrappers []keys.Wrapper, dek *[chunker.KeySize]byte,
) ([]keys.Wrapped, error) {
	recipients := make([]keys.Wrapped, len(wrappers))
	generated, err := m.generateDEK(ctx, wrappers, recipients, dek)
	if err != nil {
		return nil, err
	}
	for i, w := range wrappers {
		if i == generated {
			continue
		}
		began := m.observed.beginCall()
		recipients[i], err = w.Wrap(ctx, m.purpose.Context, dek[:])
		m.observed.noteCall(ctx, callWrap, w.Name(), began, err)
		if err != nil {
			return nil, err
		}
	}
	return recipients, nil
}

// generateDEK fills dek, and returns which of the KEKs has made and wrapped it;
// -1 if this process has made it.
func (m *keyMaker) generateDEK(
	ctx context.Context, wrappers []keys.Wrapper, recipients []keys.Wrapped, dek *[chunker.KeySize]byte,
) (int, error) {
	for i, w := range wrappers {
		g, ok := w.(keys.Generator)
		if !ok {
			continue
		}
		began := m.observed.beginCall()
		b, wrapped, err := g.Generate(ctx, m.purpose.Context, nil)
		m.observed.noteCall(ctx, callGenerate, g.Name(), began, err)
		if err != nil {
			return i, err
		}
		n := copy(dek[:], b)
		clear(b)
		if n != chunker.KeySize || len(b) != n {
			return i, fmt.Errorf("%s: generated a key of %d bytes", g.Name(), len(b))
		}
		recipients[i] = wrapped
		return i, nil
	}
	_, err := rand.Read(dek[:])
	return -1, err
}

// storeRecord makes the key record durable, before anything is sealed that
// needs it.
func (m *keyMaker) storeRecord(ctx context.Context, key *Key) error {
	sealer, err := key.sealing.NewSealer()
	if err != nil {
		return err
	}
	record, err := m.codec.SealRecord(key, sealer, m.purpose.Context.Name, unixTime(time.Now()))
	if err != nil {
		return err
	}
	began := m.observed.beginCall()
	err = m.purpose.Store.Put(ctx, key.KID(), record)
	m.observed.noteCall(ctx, callPut, "", began, err)
	if err != nil {
		return &storeError{err}
	}
	return nil
}
