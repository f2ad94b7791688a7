package awskms

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/guard"
)

// Key is a KMS key. It is safe for concurrent use.
//
// As a key to wrap for, give Encrypting: a Key that is configured by alias fits
// all that may be behind the alias, so a rewrap to it would take envelopes
// under an older key of the alias for done.
type Key struct {
	name   string
	ref    ref // in the client's region
	pairs  map[string]string
	caller caller
	client *client
	guard  *guard.Guard

	mu     sync.Mutex
	behind map[ref]bool // the keys that an alias led to, of any region
	now    ref          // the one of them that it led to last
	late   time.Time    // when an unknown key was last taken for one that is late
}

// caller identifies the one who asks, and the service that is asked.
type caller struct{ region, role, profile, endpoint string }

var (
	_ keys.Generator = (*Key)(nil)
	_ keys.Unwrapper = (*Key)(nil)
	_ keys.Rewrapper = (*Key)(nil)
)

// New validates o and finds region and credentials. KMS is not called, so a key
// that does not exist is an error of the first call. Credentials may come from
// another service, for which New waits until ctx ends, or ten seconds.
func New(ctx context.Context, o Options) (*Key, error) {
	return newKey(ctx, o, guard.Options{Observer: o.Observer})
}

func newKey(ctx context.Context, o Options, g guard.Options) (*Key, error) {
	r, err := o.validate()
	if err != nil {
		return nil, err
	}
	c, err := connect(ctx, &o, r)
	if err != nil {
		return nil, err
	}
	k := &Key{
		ref:    r.inRegion(c.region),
		pairs:  maps.Clone(o.Pairs),
		caller: caller{c.region, o.Role, o.Profile, o.Endpoint},
		client: c,
		behind: map[ref]bool{},
	}
	k.name = "awskms:" + k.ref.String()
	if !k.ref.isFull() { // one name in two regions is two keys
		k.name += "?region=" + c.region
	}
	g.Name = k.name
	if k.guard, err = guard.New(g); err != nil {
		return nil, err
	}
	return k, nil
}

// Name implements keys.Wrapper. It is the URL of the key, without the
// parameters that say who asks for it.
func (k *Key) Name() string { return k.name }

// State is whether KMS is asked for this key at present.
func (k *Key) State() guard.State { return k.guard.State() }

// Fits implements keys.Unwrapper. A key that is configured by alias fits every
// key ARN that may be behind it, since aliases move; KMS then says whether it
// is.
func (k *Key) Fits(w *keys.Wrapped) bool {
	if w.Alg != keys.AlgAWSKMS {
		return false
	}
	kid, ok := parseKeyARN(string(w.KID))
	return ok && k.fitsARN(kid)
}

func (k *Key) fitsARN(kid ref) bool {
	inReach := kid.region == k.client.region || kid.isMultiRegion()
	switch {
	case k.ref.isKey() && k.ref.isFull():
		return k.ref.isSameKey(kid)
	case k.ref.isKey():
		return inReach && k.ref.resource == kid.resource
	case k.ref.isFull():
		return inReach && k.ref.partition == kid.partition && k.ref.account == kid.account
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for known := range k.behind { // an alias and its keys are in one account
		return inReach && known.partition == kid.partition && known.account == kid.account
	}
	return inReach
}

// askFor returns the KeyId under which kid, which fits, is asked for: never one
// that only the envelope names.
func (k *Key) askFor(kid ref) string {
	if !k.ref.isKey() && k.hasLedTo(kid) {
		return kid.inRegion(k.client.region).String()
	}
	return k.ref.String()
}

// hasLedTo says that the alias was seen to lead to a key.
func (k *Key) hasLedTo(kid ref) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.behind[kid.inRegion("")]
}

// checkUsed checks the key that KMS says it used when it was asked for one, and
// returns it. A key behind the alias is remembered.
func (k *Key) checkUsed(asked string, answer *string) (ref, error) {
	r, ok := parseKeyARN(aws.ToString(answer))
	want, err := parseRef(asked)
	switch {
	case err != nil:
		return ref{}, err
	case !ok:
		return ref{}, errors.New("the answer names no key")
	case r.region != k.client.region,
		want.isKey() && r.resource != want.resource,
		want.isFull() && (r.partition != want.partition || r.account != want.account):
		return ref{}, fmt.Errorf("asked for %s, the answer is of %s", asked, r)
	}
	if !want.isKey() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.behind[r.inRegion("")], k.now = true, r
	}
	return r, nil
}

// Encrypting is a Key to wrap for. It differs in the wrapped keys that fit.
type Encrypting struct{ *Key }

// Fits says whether w is wrapped for the key that is wrapped for now. With an
// alias that is the key to which the alias led last, and none before the first
// call; so a wrapped key under an older key of the alias counts as not yet
// rewrapped.
func (e Encrypting) Fits(w *keys.Wrapped) bool {
	if e.ref.isKey() {
		return e.Key.Fits(w)
	}
	kid, ok := parseKeyARN(string(w.KID))
	e.mu.Lock()
	defer e.mu.Unlock()
	return ok && w.Alg == keys.AlgAWSKMS && e.now.isFull() && e.now.isSameKey(kid)
}

const (
	lateFor   = 10 * time.Second
	lateEvery = 5 * time.Minute
)

// isLate says that KMS may be late in telling where the alias leads now. A
// forged kid looks the same, so this is granted for ten seconds in five
// minutes, for all keys together.
func (k *Key) isLate(now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.late.IsZero() || now.Sub(k.late) >= lateEvery {
		k.late = now
	}
	return now.Sub(k.late) < lateFor
}

// callGuarded makes one guarded call for a key.
func (k *Key) callGuarded(ctx context.Context, op, asked string, call func(context.Context) error) error {
	return k.guard.Do(ctx, op, asked, func(ctx context.Context) error {
		err := call(ctx)
		var classed *keys.Error
		if err == nil || errors.As(err, &classed) {
			return err
		}
		return k.classify(op, err)
	})
}

// newError returns an error that is no fault of the service's.
func (k *Key) newError(class keys.Class, op string, err error) error {
	return &keys.Error{Class: class, Key: k.name, Op: op, Err: err}
}
