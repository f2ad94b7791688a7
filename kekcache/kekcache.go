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
