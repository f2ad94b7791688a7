package envelope

import (
	"bytes"
	"context"
	"errors"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/codec/coding"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// recentKey is the key of a message before, which is most often the next one's
// too: some sealers may write in turns.
type recentKey struct {
	key         *kekcache.OpenedKey // nil: none
	like        cms.Alike           // recognises its envelopes in the single form
	byReference bool
	name        []byte // commitment or kid
	signature   []byte
	recipients  []byte // encoded
}

// readAlike reads an envelope that is alike to one of the last ones, if that
// one's key is still live. It takes the place of Parse and findKey, and costs
// less.
func (w *OpenWorker) readAlike(raw []byte) bool {
	for i := range w.recent {
		r := &w.recent[i]
		e := r.like.Read(raw)
		if e == nil || !w.opener.keys.IsLive(r.key, e.Position.Created) {
			continue
		}
		w.e, w.key = e, w.useRecent(i)
		return true
	}
	return false
}

// useRecent makes one of the last keys the first, and returns it.
func (w *OpenWorker) useRecent(i int) *kekcache.OpenedKey {
	if i > 0 {
		w.recent[0], w.recent[i] = w.recent[i], w.recent[0]
	}
	return w.recent[0].key
}

// findKey finds the key of an envelope, and e is its parse: one of the last
// ones, kekcache's, or unwrapped now.
func (w *OpenWorker) findKey(ctx context.Context, raw []byte, e *cms.Envelope) (*kekcache.OpenedKey, error) {
	name := e.Commitment
	if e.ByReference {
		name = e.KID
	}
	for i := range w.recent {
		r := &w.recent[i]
		if !r.isOf(e, name) || !w.opener.keys.IsLive(r.key, e.Position.Created) {
			continue
		}
		if !e.Chunked {
			r.like.Set(raw, e)
		}
		return w.useRecent(i), nil
	}
	var key *kekcache.OpenedKey
	var err error
	if e.ByReference {
		key, err = w.opener.keys.Lookup(ctx, w.Place, e.KID, e.Position.Created)
	} else {
		sealed := sealedOf(&e.Header, e.Recipients)
		key, err = w.opener.keys.Unwrap(ctx, w.Place, &sealed)
		if errors.Is(err, kekcache.ErrUntrusted) {
			err = w.firstError(err)
		}
	}
	if err != nil {
		return nil, err
	}
	oldest := w.recent[len(w.recent)-1]
	copy(w.recent[1:], w.recent[:])
	w.recent[0] = recentKey{
		key:         key,
		byReference: e.ByReference,
		like:        oldest.like,
		name:        append(oldest.name[:0], name...),
		signature:   append(oldest.signature[:0], e.Signature...),
		recipients:  append(oldest.recipients[:0], e.Recipients...),
	}
	w.recent[0].like.Set(raw, e)
	return key, nil
}

// isOf tells whether the key is that of an envelope with this commitment or
// kid.
func (r *recentKey) isOf(e *cms.Envelope, name []byte) bool {
	return r.key != nil && r.byReference == e.ByReference && bytes.Equal(r.name, name) &&
		bytes.Equal(r.recipients, e.Recipients) && (e.ByReference || bytes.Equal(r.signature, e.Signature))
}

// findDictionaries returns the dictionaries of which the envelope may name one.
func (w *OpenWorker) findDictionaries(ctx context.Context, h *cms.Header) ([]*coding.Dictionary, error) {
	if h.Coding.Dictionary == [4]byte{} {
		return nil, nil
	}
	return w.opener.dictionaries.find(ctx, w.Place, h.Coding.Dictionary)
}
