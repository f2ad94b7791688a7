// Package kekcache decides how long a data encryption key (DEK) lives. It is the only caller of key
// services and the only one that retries them.
//
//	sealing:  key service ─generate, wrap─► window ─reserved blocks─► Quota (one per worker)
//	opening:  envelope ─recipients or kid─► OpenKeys ─unwrap once─► OpeningKey
//	rewrap:   envelope ─recipients or kid─► RewrapKeys ─rewrap once─► other recipients
//
// SealKeys keeps one DEK current for a window that ends at the first of age, messages and bytes. Each
// worker reserves blocks of the window, so the limits are exact although no lock is taken per message.
// The next DEK is fetched before the current one ends; when it cannot be had, work waits at the limit and
// nothing is sealed past it.
//
// State and Status say how keys can be had, Reload changes the KEKs of a route that runs, and an Auditor is told of each window,
// unwrap and rewrap: what it cannot keep is not done.
//
// The package must not know what an envelope looks like: key records and recipients are bytes that a
// Codec writes and reads. It starts no goroutine but those inside Run, which its caller owns.
package kekcache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/keys"
)

var (
	// ErrUnknownKey says that no configured KEK unwraps the DEK, or that no key record is there.
	ErrUnknownKey = errors.New("unknown-key")
	// ErrWrongKey says that a key was unwrapped whose commitment is not the envelope's.
	ErrWrongKey = errors.New("wrong-key")
	// ErrWindow says that a single message is larger than a whole window.
	ErrWindow = errors.New("too-large: more than a key window")
	// ErrClosed says that a SealKeys was asked for a key after Close.
	ErrClosed = errors.New("kekcache: closed")
)

// KIDSize is the size of a DEK's kid: the first bytes of its commitment.
const KIDSize = 16

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

// event tells of the key.
func (k *Key) event(op Op, why string) Event {
	return Event{Op: op, KEKs: k.keks, KID: k.Commitment[:KIDSize:KIDSize], Why: why}
}

// Limits limits what is sealed under one DEK; the first limit reached ends it. Zero means the default.
type Limits struct {
	Age      time.Duration // from before the DEK was asked for; default 15 minutes, at least a second
	Messages uint64        // default 2^24
	Bytes    uint64        // of payload; default 64 GiB
}

// minAge leaves Run and a key service the time to do their part.
const minAge = time.Second

// Hard limits of a DEK (docs/envelope.md, section 11).
const (
	maxSeals       = 1 << 32
	maxSealsRandom = 1 << 31
	maxBytes       = 1 << 40
)

func (w Limits) withDefaults() (Limits, error) {
	if w.Age == 0 {
		w.Age = 15 * time.Minute
	}
	if w.Messages == 0 {
		w.Messages = 1 << 24
	}
	if w.Bytes == 0 {
		w.Bytes = 64 << 30
	}
	switch {
	case w.Age < minAge:
		return w, fmt.Errorf("window: an age of %s: at least %s is needed", w.Age, minAge)
	case w.Bytes > maxBytes:
		return w, errors.New("window: more than 2^40 bytes under one key")
	case w.Messages > maxSeals:
		return w, errors.New("window: more than 2^32 messages under one key")
	}
	return w, nil
}

// Store keeps key records, append-only and without an end of retention.
type Store interface {
	// Put returns when the record is durable.
	Put(ctx context.Context, kid [KIDSize]byte, record []byte) error
	// Get returns all records of kid as of now, in the order in which they were put; none is no error.
	Get(ctx context.Context, kid [KIDSize]byte) ([][]byte, error)
	// Each calls do with every kid that has a record, each once and in no
	// order, until do returns an error, which it returns. A kid that is put
	// meanwhile may be among them or not.
	Each(ctx context.Context, do func(kid [KIDSize]byte) error) error
}
