package convert

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// maxUnnamed is how many recipients of a message are tried that name no local
// key: each of them costs every key of its kind an unwrap.
const maxUnnamed = 4

// OpenerOptions say how an Opener opens.
type OpenerOptions struct {
	Formats []exchange.Format // those that are opened
	// Signers, if there are any, have everything refused as untrusted, since no
	// such message says who sealed it; PassUntrusted has it opened.
	Signers       []keys.Verifier
	PassUntrusted bool
	Log           *slog.Logger
	Audit         kekcache.Auditor
	Observer      kekcache.Observer
}

// Opener opens messages of several formats. It is safe for concurrent use.
type Opener struct {
	formats []*opened
}

// opened is a format, and its content keys. They are kept apart, since two
// formats derive different keys of one agreement.
type opened struct {
	exchange.Format
	keys *kekcache.OpenKeys
	keks atomic.Pointer[[]keys.Unwrapper]
}

// ErrNoLocal says that none of the keys can open a message of such a format.
var ErrNoLocal = errors.New("no key is a local one, and messages of other formats are for local keys only")

// NewOpener returns an Opener that opens with the local keys among unwrappers,
// which are tried in this order.
func NewOpener(unwrappers []keys.Unwrapper, o OpenerOptions) (*Opener, error) {
	opener := &Opener{}
	for _, format := range o.Formats {
		f := &opened{Format: format}
		keks := adaptUnwrappers(&format, unwrappers)
		if len(keks) == 0 {
			return nil, ErrNoLocal
		}
		f.keks.Store(&keks)
		var err error
		f.keys, err = envelope.NewOpenKeys(kekcache.OpenKeysOptions{
			Unwrappers: keks, Signers: o.Signers, PassUntrusted: o.PassUntrusted,
			Log: o.Log, Audit: o.Audit, Observer: o.Observer,
		})
		if err != nil {
			return nil, err
		}
		opener.formats = append(opener.formats, f)
	}
	return opener, nil
}

// Reload opens with other keys from now on. On an error everything stays as it
// was.
func (o *Opener) Reload(unwrappers []keys.Unwrapper) error {
	for _, f := range o.formats {
		keks := adaptUnwrappers(&f.Format, unwrappers)
		if len(keks) == 0 {
			return ErrNoLocal // the first one tells: all have the same keys
		}
		f.keks.Store(&keks)
		if err := f.keys.Reload(keks); err != nil {
			return err
		}
	}
	return nil
}

// Recognizes tells whether b begins like a message of one of the formats.
func (o *Opener) Recognizes(b []byte) bool {
	return slices.ContainsFunc(o.formats, func(f *opened) bool { return f.Codec.Recognizes(b) })
}

// OpenWorker opens messages on one goroutine. It is not safe for concurrent
// use.
type OpenWorker struct {
	opener  *Opener
	message exchange.Message
	format  *opened // of the message before
	key     *kekcache.OpenedKey
	last    []keys.Wrapped // the recipients that key belongs to
}

// NewWorker returns an OpenWorker for one goroutine.
func (o *Opener) NewWorker() *OpenWorker { return &OpenWorker{opener: o} }

// Recognizes is that of the Opener.
func (w *OpenWorker) Recognizes(b []byte) bool { return w.opener.Recognizes(b) }

// MaxSize is the most bytes that Open appends for a message.
func (w *OpenWorker) MaxSize(b []byte) int { return len(b) }

// Open verifies a message that was read from a place, and appends its payload
// to dst: whole or not at all. The spare capacity of dst must not overlap b.
// A refusal is an *envelope.Error, and then dst comes back as it was and holds
// no plaintext.
func (w *OpenWorker) Open(ctx context.Context, place string, dst, b []byte) ([]byte, error) {
	out, err := w.openMessage(ctx, place, dst, b)
	if err != nil {
		return dst, refuse(err)
	}
	return out, nil
}

func (w *OpenWorker) openMessage(ctx context.Context, place string, dst, b []byte) ([]byte, error) {
	f, err := w.parse(b)
	if err != nil {
		return dst, err
	}
	key, err := w.findKey(ctx, place, f)
	if err != nil {
		return dst, err
	}
	return key.Open(dst, w.message.Nonce, w.message.Sealed, w.message.AAD)
}

// parse reads the message in the first format that it begins like.
func (w *OpenWorker) parse(b []byte) (*opened, error) {
	for _, f := range w.opener.formats {
		if err := f.Codec.Parse(&w.message, b); !errors.Is(err, exchange.ErrNotEnvelope) {
			return f, err
		}
	}
	return nil, exchange.ErrNotEnvelope
}

// findKey returns the content key of the message: that of the message before,
// or one that kekcache knows or unwraps.
func (w *OpenWorker) findKey(ctx context.Context, place string, f *opened) (*kekcache.OpenedKey, error) {
	if w.key != nil && w.format == f && f.keys.IsLive(w.key, 0) && areSame(w.last, w.message.Recipients) {
		return w.key, nil
	}
	key, err := unwrap(ctx, place, f, w.message.Recipients)
	if err != nil {
		return nil, err
	}
	w.format, w.key = f, key
	w.last = w.last[:0]
	for i := range w.message.Recipients {
		w.last = append(w.last, cloneWrapped(&w.message.Recipients[i]))
	}
	return key, nil
}

// unwrap unwraps a content key. A recipient that names one of the keys is the
// one that is tried; without such a one those are that name no key.
func unwrap(ctx context.Context, place string, f *opened, recipients []keys.Wrapped) (*kekcache.OpenedKey, error) {
	keks := *f.keks.Load()
	var named, unnamed []keys.Wrapped
	for i := range recipients {
		switch {
		case isFor(keks, &recipients[i]):
			named = append(named, recipients[i])
		case len(recipients[i].KID) == 0 && len(unnamed) < maxUnnamed:
			unnamed = append(unnamed, recipients[i])
		}
	}
	if len(named) > 0 {
		return f.keys.UnwrapRecipients(ctx, place, named)
	}
	err := kekcache.ErrUnknownKey
	for i := range unnamed {
		var key *kekcache.OpenedKey
		key, err = f.keys.UnwrapRecipients(ctx, place, unnamed[i:i+1])
		if !errors.Is(err, kekcache.ErrUnknownKey) {
			return key, err
		}
	}
	return nil, err
}

func areSame(a, b []keys.Wrapped) bool {
	return slices.EqualFunc(a, b, func(a, b keys.Wrapped) bool {
		return a.Alg == b.Alg && bytes.Equal(a.KID, b.KID) && bytes.Equal(a.Ephemeral, b.Ephemeral) &&
			bytes.Equal(a.Ciphertext, b.Ciphertext)
	})
}

func cloneWrapped(w *keys.Wrapped) keys.Wrapped {
	return keys.Wrapped{
		Alg: w.Alg, KID: bytes.Clone(w.KID), Ephemeral: bytes.Clone(w.Ephemeral), Ciphertext: bytes.Clone(w.Ciphertext),
	}
}
