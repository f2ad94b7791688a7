// Package kekcache decides how long a data encryption key (DEK) lives. It is
// the only caller of key services and the only one that tries their calls
// again.
//
//	sealing:  key service ─generate, wrap─► window ─reserved blocks─► Quota (one per goroutine)
//	opening:  envelope ─recipients or kid─► OpenKeys ─unwrap once─► OpeningKey
//	rewrap:   envelope ─recipients or kid─► RewrapKeys ─rewrap once─► other recipients
//
// [SealKeys] keeps one DEK current for each [Purpose] in use. A DEK has a
// window, which ends at the first of its [Limits]: age, messages, bytes. Each
// goroutine reserves blocks of the window, so the limits are exact although no
// lock is taken for a message. The next DEK is made before the current one
// ends; when it cannot be had, callers wait at the limit and nothing is sealed
// past it.
//
// [OpenKeys] keeps unwrapped DEKs and unwraps each wrapped key once.
// [RewrapKeys] keeps the new recipients of DEKs and rewraps each DEK once.
//
// [State] and [Status] say how keys can be had, and an [Observer] is told of
// each change. An [Auditor] is told of each window, unwrap and rewrap: an
// operation that it cannot keep is not done. Reload changes the KEKs while
// sealing or opening goes on.
//
// The package does not know the layout of an envelope: key records and
// recipients are bytes that a [Codec] writes and reads. It starts no goroutine
// but those inside [SealKeys.Run], which its caller owns.
//
// # Files
//
//	kekcache.go      errors and the Store of key records
//	codec.go         the Codec
//	audit.go         events and the Auditor; audit_queue.go keeps their order
//	observe.go       the Observer
//	state.go         State and Status
//	flights.go       one caller works, the others wait
//	repeat.go        the one loop that tries again
//	attempts.go      the ways to unwrap one DEK
//	lru.go           a map of bounded size
//
//	seal_keys.go     SealKeys, Supply, Reload
//	seal_purpose.go  KEKs and Purpose
//	seal_limits.go   Limits
//	seal_set.go      which Purposes are kept
//	seal_entry.go    the data keys of one Purpose
//	seal_make.go     makes one DEK: generate, wrap, store, audit
//	seal_window.go   how much may still be sealed under a DEK
//	seal_queue.go    the current window and those made ahead
//	seal_fetch.go    when the next window is made, and by whom
//	seal_status.go   how keys of one Purpose can be had
//	seal_quota.go    Quota and Grant: leave to seal a message
//	seal_stream.go   a DEK for one stream
//	seal_run.go      Run: the clock, and making keys ahead
//
//	open_keys.go     OpenKeys, its doors, OpenedKey
//	open_load.go     the cache
//	open_unwrap.go   unwraps by recipients; open_records.go by key records
//	open_budget.go   how many unwraps of a place may fail
//	open_clock.go    the time, without a look at the clock for each message
//	open_health.go   which services are away
//	signers.go       who vouches for a DEK
//
//	rewrap_keys.go   RewrapKeys, its doors and its cache
//	rewrap_recipients.go  new recipients for old ones
//	rewrap_dek.go    moves a DEK inside a service, or unwraps and wraps it
//	rewrap_records.go     key records in a store
//	rewrap_dictionaries.go  dictionary records in a store
//
//	kept_records.go  key records of a file
//	index.go         names of a store
//
// # Locks
//
// In this order: sealSet.mu, flights.mu, windowQueue.mu or the lock of a cache,
// keyStatus.mu or health.mu, auditQueue.mu. No lock is held while a key
// service, a store or an Auditor is called, but auditQueue.recording, which
// keeps events in order. Observers are told under locks.
//
// # Not obvious
//
//   - With Run a window ends one to two ticks before its age. Run looks at the
//     clock once a tick, so that Take need not, and a late tick does no harm.
//   - The age counts from before the key service was asked. The greater age of
//     the monotonic and the wall clock counts: one stands still while a machine
//     sleeps, the other can be set back.
//   - A Take makes the next DEK itself if the last one was made in less than
//     half a millisecond. Waking a goroutine for it would take longer.
//   - Each window asks for its successor at a random point of its last quarter,
//     so that a fleet does not ask its key service at one moment.
//   - A flight that was voided goes on until its service answers. The generation
//     of the queue, or of the cache, then refuses its result.
//   - "Restricted" ends with a new data key and not when the callers that wait
//     give up: they come and go with the lanes of a route.
//   - Before the first window of a Purpose only a service that is away is waited
//     for. So a wrong name is an error at the start, and an outage later on.
//   - A DEK is kept under the hash of the one recipient that it was unwrapped
//     from and of the KEK that did it, and its commitment is compared whenever it
//     is asked for. So envelopes with other recipients added, or with copied
//     ones, cost nothing, and do no harm to genuine ones.
//   - The budget of a place is waited for before a flight is joined: others may
//     wait for the same flight.
//   - Refusals have a cache of their own: a flood of forged envelopes pushes out
//     no DEK.
package kekcache

import (
	"context"
	"errors"
)

var (
	// ErrUnknownKey says that no configured KEK unwraps the DEK, or that there
	// is no key record.
	ErrUnknownKey = errors.New("unknown-key")
	// ErrWrongKey says that a key was unwrapped and that its commitment is not
	// the envelope's.
	ErrWrongKey = errors.New("wrong-key")
	// ErrUntrusted says that none of the signers vouches for a DEK.
	ErrUntrusted = errors.New("untrusted")
	// ErrWindow says that a single message is larger than a whole window.
	ErrWindow = errors.New("too-large: more than a key window")
	// ErrClosed says that SealKeys were asked for a key after Close.
	ErrClosed = errors.New("kekcache: closed")
)

// KIDSize is the size of a DEK's kid: the first bytes of its commitment.
const KIDSize = 16

// Store keeps key records, append-only and without an end of retention. To be
// part of a Purpose it must be comparable, such as a pointer.
type Store interface {
	// Put returns when the record is durable. A record that is there already is
	// not put again.
	Put(ctx context.Context, kid [KIDSize]byte, record []byte) error
	// Get returns all records of kid as of now, in the order in which they were
	// put; none is no error.
	Get(ctx context.Context, kid [KIDSize]byte) ([][]byte, error)
	// Each calls do with every kid that has a record, each once and in no
	// order, until do returns an error, which it returns. A kid that is put
	// meanwhile may be among them or not.
	Each(ctx context.Context, do func(kid [KIDSize]byte) error) error
}
