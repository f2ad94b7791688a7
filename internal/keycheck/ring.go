package keycheck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// kekState is a configured KEK as far as it is the same for all contexts.
type kekState struct {
	row  *KEK
	away *refusal // it did not answer, and is not asked again
}

// ringKey is a configured KEK for one context. Each has a cache of its own, so
// that each is asked, whether another one opens too or not.
type ringKey struct {
	*kekState
	kek     keys.Unwrapper
	opening *kekcache.OpenKeys
	audit   *noted
	timeout time.Duration
}

func newRingKey(k keys.Unwrapper, o *Options, context keys.Context, state *kekState) (*ringKey, error) {
	out := &ringKey{kekState: state, kek: k, timeout: o.Timeout}
	options := kekcache.OpenKeysOptions{
		Unwrappers: []keys.Unwrapper{k}, Context: context, Signers: o.Signers, Skew: o.Skew, Log: o.Log,
		MaxKeys: 1, // the result for a key is remembered here
	}
	if o.Audit != nil {
		out.audit = &noted{Auditor: o.Audit}
		options.Audit = out.audit
	}
	var err error
	out.opening, err = envelope.NewOpenKeys(options)
	return out, err
}

// noted is an Auditor that remembers its last error: a wait for it must not be
// taken for a key service that is away.
type noted struct {
	kekcache.Auditor
	mu  sync.Mutex
	err error
}

// Record implements kekcache.Auditor.
func (n *noted) Record(e kekcache.Event) error {
	err := n.Auditor.Record(e)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.err = err
	return err
}

func (n *noted) failed() error {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

// refusal is why a KEK does not unwrap.
type refusal struct{ word, detail string }

// tryWrappings unwraps the first of wrappings that it can, or says why it
// cannot unwrap the last. The error is ctx's, or the audit log's.
func (k *ringKey) tryWrappings(ctx context.Context, wrappings []wrapping) (no *refusal, err error) {
	for i := range wrappings {
		w := &wrappings[i]
		if !slices.ContainsFunc(w.recipients, func(r keys.Wrapped) bool { return k.kek.Fits(&r) }) {
			continue
		}
		if no, err = k.unwrapOne(ctx, w); no == nil || err != nil {
			return no, err
		}
	}
	return no, nil
}

func (k *ringKey) unwrapOne(ctx context.Context, w *wrapping) (*refusal, error) {
	if k.away != nil {
		return k.away, nil
	}
	limited, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	_, err := k.opening.Unwrap(limited, "", &w.sealed)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return k.judgeError(err)
}

// judgeError returns the refusal of the KEK that an error of the cache tells
// of. An error that says nothing about the KEK is returned.
func (k *ringKey) judgeError(err error) (*refusal, error) {
	var service *keys.Error
	switch {
	case err == nil:
		return nil, nil //nolint:nilnil // no refusal and no error
	case k.audit.failed() != nil:
		return nil, k.audit.failed()
	case errors.Is(err, context.DeadlineExceeded):
		k.away = &refusal{"away", fmt.Sprintf("away: no answer within %s", k.timeout)}
		return k.away, nil
	case errors.Is(err, kekcache.ErrUntrusted):
		return &refusal{"untrusted", err.Error()}, nil
	case errors.Is(err, kekcache.ErrWrongKey):
		return &refusal{"wrong-key", "wrong-key: the wrapped key is not the one that seals"}, nil
	case errors.Is(err, kekcache.ErrUnknownKey):
		return &refusal{"unknown-key", "does not unwrap: changed, or of another key context"}, nil
	case errors.As(err, &service):
		return &refusal{service.Class.String(), fmt.Sprintf("%s: %v", service.Class, service.Err)}, nil
	}
	return nil, err
}

// reasonOf is the word for why a message is no envelope (docs/errors.md), or ""
// if err is about something else.
func reasonOf(err error) string {
	var reject *pipeline.Reject
	if errors.As(err, &reject) {
		return string(reject.Reason)
	}
	for _, word := range []error{
		cms.ErrNotEnvelope, cms.ErrTruncated, cms.ErrTooLarge, cms.ErrMalformed, cms.ErrUnsupported,
	} {
		if errors.Is(err, word) {
			return word.Error()
		}
	}
	return ""
}
