package kekcache

import (
	"context"
	"errors"
	"time"

	"github.com/streamcrypt/streamcrypt/keys"
)

// Observer is told of states, data keys and calls, for counts and displays. It
// is told at once and often under a lock, so its methods must return at once,
// and must not call this package. It is never told of a single message. A nil
// Observer costs nothing.
//
// An Auditor is another thing: an event that it cannot keep does not happen.
type Observer interface {
	// KeyState is told when keys can be had otherwise than before, and when
	// another service, store or audit log has become the cause of it.
	KeyState(StateChange)
	// KeyEvent is told of the Ops that an Auditor is told of, but OpState.
	KeyEvent(KeyEvent)
	// KeyCall is told of each call of a key service or a key store, when it
	// ends.
	KeyCall(KeyCall)
}

// Side is the use that keys are for.
type Side string

// The sides of this package.
const (
	Sealing    Side = "sealing"
	Opening    Side = "opening"
	Rewrapping Side = "rewrapping"
)

// StateChange says how keys can be had from now on.
type StateChange struct {
	Side    Side
	Context string // the key context's name
	State   State
	Cause   error // why the State is not Normal
}

// KeyEvent is the begin or the end of the use of a data key.
type KeyEvent struct {
	Side    Side
	Context string   // the key context's name
	Op      Op       // not OpState
	KEKs    []string // as in Event; not to be changed
	Why     string   // as in Event

	// Of OpWindowClosed, how long and for how much the data key was in use.
	// Shares that a goroutine had reserved and not used count as used. A data
	// key for one stream has no counts.
	Age             time.Duration
	Messages, Bytes uint64
}

// KeyCall is a call of a key service, or of a key store.
type KeyCall struct {
	Side    Side
	Context string // the key context's name
	Op      string // generate, wrap, unwrap, rewrap; put, get of a store
	Key     string // the name of the KEK; empty for a store
	Outcome Outcome
	Took    time.Duration
}

// Outcome says how a call ended.
type Outcome string

// The outcomes.
const (
	OutcomeOK      Outcome = "ok"
	OutcomeAway    Outcome = "away"     // keys.Away
	OutcomeGone    Outcome = "gone"     // keys.Gone
	OutcomeBadWrap Outcome = "bad-wrap" // keys.BadWrap
	OutcomeGivenUp Outcome = "given-up" // its caller's context ended
	OutcomeUnknown Outcome = "unknown"  // an error of no class
)

// Operations of key services and stores, in a KeyCall.
const (
	callGenerate = "generate"
	callWrap     = "wrap"
	callUnwrap   = "unwrap"
	callRewrap   = "rewrap"
	callPut      = "put"
	callGet      = "get"
)

func outcomeOf(ctx context.Context, err error) Outcome {
	var service *keys.Error
	switch {
	case err == nil:
		return OutcomeOK
	case ctx.Err() != nil:
		return OutcomeGivenUp
	case !errors.As(err, &service):
		return OutcomeUnknown
	}
	switch service.Class {
	case keys.Away:
		return OutcomeAway
	case keys.Gone:
		return OutcomeGone
	case keys.BadWrap:
		return OutcomeBadWrap
	}
	return OutcomeUnknown
}

// observed tells an Observer, if there is one, of one side and context.
type observed struct {
	to      Observer // nil: nobody
	side    Side
	context string
}

func (o *observed) noteState(state State, cause error) {
	if o.to != nil {
		o.to.KeyState(StateChange{Side: o.side, Context: o.context, State: state, Cause: cause})
	}
}

func (o *observed) noteEvent(op Op, keks []string, why string) {
	if o.to != nil {
		o.to.KeyEvent(KeyEvent{Side: o.side, Context: o.context, Op: op, KEKs: keks, Why: why})
	}
}

// noteClosed notes the end of a window.
func (o *observed) noteClosed(w *window, why string) {
	if o.to == nil {
		return
	}
	o.to.KeyEvent(KeyEvent{
		Side: o.side, Context: o.context, Op: OpWindowClosed, KEKs: w.key.keks, Why: why,
		Age: w.age(time.Now()), Messages: w.limits.Messages - w.messages.Load(), Bytes: w.limits.Bytes - w.bytes.Load(),
	})
}

// noteUnused notes the end of a data key that was in no window.
func (o *observed) noteUnused(key *Key, why string) {
	if o.to == nil {
		return
	}
	o.to.KeyEvent(KeyEvent{
		Side: o.side, Context: o.context, Op: OpWindowClosed, KEKs: key.keks, Why: why, Age: time.Since(key.born),
	})
}

// beginCall returns when a call begins, for noteCall.
func (o *observed) beginCall() time.Time {
	if o.to == nil {
		return time.Time{}
	}
	return time.Now()
}

func (o *observed) noteCall(ctx context.Context, op, key string, began time.Time, err error) {
	if o.to == nil {
		return
	}
	o.to.KeyCall(KeyCall{
		Side: o.side, Context: o.context, Op: op, Key: key, Outcome: outcomeOf(ctx, err), Took: time.Since(began),
	})
}
