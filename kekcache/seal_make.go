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
	// Signature is that of the sealer, as Codec.EncodeSignature writes it; nil
	// without one.
	Signature []byte
	From      uint32 // when it was made, unix seconds
	until     uint32 // of the signature
	// Record is the key record, by reference.
	Record  []byte
	sealing *chunker.SealingKey
	keks    []string  // the names of those that wrapped it
	born    time.Time // before it was asked for; with the monotonic clock
}

// KID is the first KIDSize bytes of the commitment.
func (k *Key) KID() [KIDSize]byte { return [KIDSize]byte(k.Commitment[:KIDSize]) }

// date returns when a message is dated that is sealed now. A reader refuses one
// outside the signature, so the wall clock counts within that only: it may be
// set.
func (k *Key) date(now uint32) uint32 {
	if k.Signature == nil {
		return now
	}
	return max(k.From, min(now, k.until))
}

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

// keyMaker makes one DEK for a purpose: it has it wrapped, signed, stored and
// audited.
type keyMaker struct {
	purpose  Purpose
	maxAge   time.Duration // of a window
	codec    Codec
	audit    *auditQueue
	observed observed
}

// makeKey makes a DEK for a window, has it wrapped for every recipient and, by
// reference, its record stored. It finds out first whether anything can be
// audited, and audits last that the DEK may be used.
func (m *keyMaker) makeKey(ctx context.Context, wrappers []keys.Wrapper) (*Key, error) {
	return m.makeKeyFor(ctx, wrappers, m.maxAge)
}

// makeKeyFor makes a DEK that seals for so long, as its signature says: 0 is
// for a stream, which is dated by its beginning.
func (m *keyMaker) makeKeyFor(ctx context.Context, wrappers []keys.Wrapper, lasts time.Duration) (*Key, error) {
	if err := m.audit.flush(); err != nil {
		return nil, err
	}
	born := time.Now()
	ctx, requests := keys.CollectRequests(ctx)
	key, err := m.wrapKey(ctx, wrappers)
	if err != nil {
		return nil, err
	}
	key.born, key.From = born, unixTime(born)
	if err := m.signKey(key, lasts); err != nil {
		return nil, err
	}
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
		var dek chunker.DEK
		defer dek.Clear()
		var recipients []keys.Wrapped
		if recipients, err = m.wrapForAll(ctx, wrappers, &dek); err != nil {
			return
		}
		var sealing *chunker.SealingKey
		if sealing, err = dek.NewSealingKey(m.purpose.Nonces); err != nil {
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
	ctx context.Context, wrappers []keys.Wrapper, dek *chunker.DEK,
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
		recipients[i], err = w.Wrap(ctx, m.purpose.Context, dek.Bytes())
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
	ctx context.Context, wrappers []keys.Wrapper, recipients []keys.Wrapped, dek *chunker.DEK,
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
		n := copy(dek.Bytes(), b)
		clear(b)
		if n != chunker.KeySize || len(b) != n {
			return i, fmt.Errorf("%s: generated a key of %d bytes", g.Name(), len(b))
		}
		recipients[i] = wrapped
		return i, nil
	}
	_, err := rand.Read(dek.Bytes())
	return -1, err
}

// signKey has the signer, if there is one, vouch for the key.
func (m *keyMaker) signKey(key *Key, lasts time.Duration) error {
	signer := m.purpose.Signer
	if signer == nil {
		return nil
	}
	key.until = key.From
	if lasts > 0 {
		key.until = unixTime(key.born.Add(lasts + time.Second - 1))
	}
	out := Signature{KID: signer.KID(), From: key.From, Until: key.until}
	message := m.codec.AppendSignedMessage(nil, key.Commitment[:], m.purpose.Context.Name, out.From, out.Until)
	signature, err := signer.Sign(message)
	switch {
	case err != nil:
		return fmt.Errorf("%s: sign: %w", signer.Name(), err)
	case len(signature) != keys.SignatureSize:
		return fmt.Errorf("%s: sign: a signature of %d bytes", signer.Name(), len(signature))
	}
	out.Bytes = [keys.SignatureSize]byte(signature)
	key.Signature = m.codec.EncodeSignature(&out)
	return nil
}

// storeRecord makes the key record durable, before anything is sealed that
// needs it.
func (m *keyMaker) storeRecord(ctx context.Context, key *Key) error {
	sealer, err := key.sealing.NewSealer()
	if err != nil {
		return err
	}
	if key.Record, err = m.codec.SealRecord(key, sealer, m.purpose.Context.Name); err != nil {
		return err
	}
	began := m.observed.beginCall()
	err = m.purpose.Store.Put(ctx, key.KID(), key.Record)
	m.observed.noteCall(ctx, callPut, "", began, err)
	if err != nil {
		return &storeError{err}
	}
	return nil
}
