package envelope

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/codec/coding"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// OpenerOptions say how an Opener opens. The zero value is good for a start.
type OpenerOptions struct {
	// Context and KeyContext are the Sealer's, as they were when the envelopes
	// were sealed.
	Context, KeyContext string
	// Pairs are the Sealer's.
	Pairs map[string]string
	// Store has the key records of envelopes that name their data key; nil:
	// those are refused.
	Store kekcache.Store

	// Bind has the Sealer's Medium and Names.
	Bind Bind
	// ExtraHeaders has headers ignored that stand behind the bound ones, which
	// nothing authenticates: OpenWorker.Open tells how many there are. Without
	// it such a message is refused as tampered.
	ExtraHeaders bool
	// Signers are the sealers that are trusted. If there are any, everything
	// that none of them vouches for is refused as untrusted, before a key is
	// asked.
	Signers []keys.Verifier
	// PassUntrusted has everything opened, although there are Signers:
	// Opened.Vouched then tells.
	PassUntrusted bool
	// Skew is how far clocks may differ; default 5 minutes, negative: not at
	// all.
	Skew time.Duration
	// NoSkewLimit has everything opened that was sealed later than now.
	NoSkewLimit bool
	// NoClock has times not compared with the clock of this machine.
	NoClock bool
	// MaxMessageAge, if not 0, has everything refused as stale that was sealed
	// longer ago.
	MaxMessageAge time.Duration
	// Dictionaries are those that payloads may have been compressed with. One
	// that is in the Store need not be given.
	Dictionaries []*coding.Dictionary
	// MaxPayload is the most bytes of a payload; a longer one is too-large.
	// Default DefaultMaxPayload for payloads that are compressed and opened in
	// memory, else none.
	MaxPayload int64
	// MaxInflated, if not 0, bounds payloads further that are compressed and
	// opened in memory: OpenWorker.MaxSize says no more.
	MaxInflated int64

	// MaxKeys is how many unwrapped data keys are kept; default 100,000 (about
	// 30 MiB).
	MaxKeys int
	// MaxAge is how long an unwrapped data key is used; default 1 hour.
	MaxAge time.Duration
	// Log is told of key services and stores that are waited for; nil: nobody.
	Log *slog.Logger
	// Audit keeps a record of unwrapped and refused data keys; nil: none. If
	// an unwrapping cannot be recorded, its data key is not used.
	Audit kekcache.Auditor
	// Observer is told of data keys and calls of key services; nil: nobody.
	Observer kekcache.Observer
}

// DefaultMaxPayload is OpenerOptions.MaxPayload for payloads that are
// compressed and opened in memory, unless that is set.
const DefaultMaxPayload = 64 << 20

// Opener opens messages and streams. It is safe for concurrent use. It must not
// be copied.
type Opener struct {
	o            OpenerOptions
	keys         *kekcache.OpenKeys
	dictionaries *dictionaries
	workers      sync.Pool // of *OpenWorker
}

// NewOpener returns an Opener that opens with the given keys, which are asked
// in this order. No key service is called before the first Open.
func NewOpener(keks []keys.Unwrapper, o OpenerOptions) (*Opener, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o.KeyContext = cmp.Or(o.KeyContext, o.Context)
	openKeys, err := NewOpenKeys(kekcache.OpenKeysOptions{
		Unwrappers: keks, Context: keys.Context{Name: o.KeyContext, Pairs: o.Pairs}, Store: o.Store,
		Signers: o.Signers, PassUntrusted: o.PassUntrusted, Skew: o.Skew,
		MaxKeys: o.MaxKeys, MaxAge: o.MaxAge, Log: o.Log, Audit: o.Audit, Observer: o.Observer,
	})
	if err != nil {
		return nil, err
	}
	op := &Opener{o: o, keys: openKeys}
	op.dictionaries = newDictionaries(op)
	op.workers.New = func() any { return op.NewWorker() }
	return op, nil
}

func (o *OpenerOptions) check() error {
	switch {
	case o.MaxMessageAge < 0:
		return errors.New("the age of messages must not be negative")
	case o.MaxPayload < 0:
		return errors.New("the size of payloads must not be negative")
	case o.NoClock && o.MaxMessageAge > 0:
		return errors.New("an age of messages without a clock")
	case slices.Contains(o.Dictionaries, nil):
		return errors.New("a dictionary is nil")
	case len(o.Dictionaries) > maxDictionaries:
		return fmt.Errorf("more than %d dictionaries", maxDictionaries)
	}
	bind := o.Bind
	bind.Time, bind.Named = false, bind.Named || len(bind.Names) > 0 // the envelope tells
	return bind.Check()
}

// Open verifies the envelope e and appends its payload to dst: whole or not at
// all. A refusal is an *Error; any other error is not the message's fault. It
// waits while a key service or the store is away, until ctx ends. On an error
// the spare capacity of dst holds no plaintext. What b binds is authenticated,
// unless headers are Named or ExtraHeaders are allowed: then OpenWorker.Open
// says which are.
func (o *Opener) Open(ctx context.Context, dst, e []byte, b Binding) ([]byte, error) {
	w := o.workers.Get().(*OpenWorker)
	defer o.workers.Put(w)
	out, _, err := w.Open(ctx, dst, e, &b)
	return out, err
}

// KeepKeyRecord has a key record of an archive be used for the messages behind
// it, before the store is asked. It keeps a copy, of the last 1,024 records and
// more. The error is an *Error.
func (o *Opener) KeepKeyRecord(record []byte) error { return refuse(o.keys.KeepRecord(record)) }

// Reload opens with other keys from now on. Data keys that the old ones have
// unwrapped are dropped.
func (o *Opener) Reload(keks []keys.Unwrapper) error { return o.keys.Reload(keks) }

// Bind returns the option.
func (o *Opener) Bind() Bind { return o.o.Bind }

// Status says whether somebody waits for a key service or the store.
func (o *Opener) Status() kekcache.Status { return o.keys.Status() }

// NewOpenKeys returns unwrapped data keys without an Opener, for a program that
// asks whether envelopes can be opened. o.Codec is that of this package.
func NewOpenKeys(o kekcache.OpenKeysOptions) (*kekcache.OpenKeys, error) {
	o.Codec = codec{}
	return kekcache.NewOpenKeys(o)
}

// checkTimes makes the checks 13 and 14 of docs/envelope.md, section 10.
func (o *Opener) checkTimes(created uint32) error {
	if o.o.NoClock {
		return nil
	}
	age := o.keys.UnixNow() - int64(created)
	if age >= 0 && o.o.MaxMessageAge == 0 {
		return nil // the usual case, without a call
	}
	return o.judgeAge(age)
}

// judgeAge judges a message that was sealed so many seconds ago.
func (o *Opener) judgeAge(age int64) error {
	switch {
	case !o.o.NoSkewLimit && -age > int64(o.keys.Skew()/time.Second):
		return fmt.Errorf("%w: by %d seconds", errSkewed, -age)
	case o.o.MaxMessageAge > 0 && age > int64(o.o.MaxMessageAge/time.Second):
		return fmt.Errorf("%w: %d seconds old", errStale, age)
	}
	return nil
}
