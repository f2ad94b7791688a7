package envelope

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// RewrapperOptions say how a Rewrapper works. The zero value is good for a
// start.
type RewrapperOptions struct {
	// Context and KeyContext are the Sealer's. Only key services and signatures
	// have to do with them here.
	Context, KeyContext string
	// Pairs are the Sealer's.
	Pairs map[string]string
	// Store has the key records of envelopes that name their data key; nil:
	// those are refused.
	Store kekcache.Store
	// Signers are the sealers that are trusted: everything that none of them
	// vouches for is refused as untrusted. The signatures stay.
	Signers []keys.Verifier
	// Skew is how far clocks may differ; default 5 minutes.
	Skew time.Duration
	// PassUntrusted has data keys of public keys rewrapped for keys that vouch
	// for them, although no signer does. Without it they are refused as
	// untrusted: a reader would take a stranger's for a sealer's.
	PassUntrusted bool
	// Verify unwraps a data key that a key service has moved without showing
	// it, and compares its commitment.
	Verify bool

	// MaxBytes bounds the new recipients that are kept; default 32 MiB.
	MaxBytes int
	// Log is told of key services and stores that are waited for; nil: nobody.
	Log *slog.Logger
	// Audit keeps a record of rewrapped data keys; nil: none. A rewrapping that
	// cannot be recorded is not done.
	Audit kekcache.Auditor
	// Observer is told of data keys and calls of key services; nil: nobody.
	Observer kekcache.Observer
}

// Rewrapper replaces the recipients of envelopes and copies every other byte:
// context, subject, position and profile stay as they were (docs/envelope.md,
// section 15). It has no data key and verifies no tag. An envelope by reference
// is copied whole; it is its key record in the store that is rewrapped.
//
// It is safe for concurrent use. It must not be copied.
type Rewrapper struct {
	keys    *kekcache.RewrapKeys
	workers sync.Pool // of *RewrapWorker
}

// RewrapCounts are numbers of envelopes.
type RewrapCounts struct {
	Rewrapped int64 // have new recipients; by reference, their key record has
	Already   int64 // had them before, and are copied as they were
}

func (c *RewrapCounts) add(to *kekcache.Rewrapped) {
	if to.Already {
		c.Already++
	} else {
		c.Rewrapped++
	}
}

// NewRewrapper returns a Rewrapper from old keys, which are asked in this
// order, to 1 to 16 new ones. No key service is called before the first
// envelope.
func NewRewrapper(from []keys.Unwrapper, to []keys.Wrapper, o RewrapperOptions) (*Rewrapper, error) {
	rewrapKeys, err := kekcache.NewRewrapKeys(kekcache.RewrapKeysOptions{
		Codec: codec{}, From: from, To: to,
		Context: keys.Context{Name: cmp.Or(o.KeyContext, o.Context), Pairs: o.Pairs},
		Store:   o.Store, Signers: o.Signers, Skew: o.Skew, PassUntrusted: o.PassUntrusted,
		Verify: o.Verify, MaxBytes: o.MaxBytes, Log: o.Log, Audit: o.Audit, Observer: o.Observer,
	})
	if err != nil {
		return nil, err
	}
	r := &Rewrapper{keys: rewrapKeys}
	r.workers.New = func() any { return r.NewWorker() }
	return r, nil
}

// Rewrap appends the envelope e to dst, with recipients for the new keys. A
// refusal is an *Error; any other error is not the message's fault. It waits
// while a key service or the store is away, until ctx ends.
func (r *Rewrapper) Rewrap(ctx context.Context, dst, e []byte) ([]byte, error) {
	w := r.workers.Get().(*RewrapWorker)
	defer r.workers.Put(w)
	return w.Rewrap(ctx, dst, e)
}

// RewrapRecord puts a key record for the new keys into the store, for the data
// key with this kid of 16 bytes, unless there is one: already says so. Its
// errors are those of Rewrap.
func (r *Rewrapper) RewrapRecord(ctx context.Context, kid []byte) (already bool, err error) {
	to, _, err := r.keys.RewrapRecord(ctx, "", kid)
	if err != nil {
		return false, refuse(err)
	}
	return to.Already, nil
}

// KeepKeyRecord has a key record of an archive be used for the messages behind
// it, instead of the store. It is an envelope of its own, for Rewrap. It keeps
// a copy. The error is an *Error.
func (r *Rewrapper) KeepKeyRecord(record []byte) error { return refuse(r.keys.KeepRecord(record)) }

// CountKeys returns how many distinct data keys have been rewrapped. One that
// was forgotten meanwhile counts again.
func (r *Rewrapper) CountKeys() int64 { return r.keys.CountMoved() }
