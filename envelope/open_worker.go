package envelope

import (
	"bytes"
	"context"
	"fmt"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// OpenWorker opens messages on one goroutine. It has its memory to itself, keeps
// the data key of the message before, and allocates nothing for a message. It is
// not safe for concurrent use.
type OpenWorker struct {
	keys   *kekcache.OpenKeys
	aad    *cms.AAD
	binder binder
	last   lastKey
	e      cms.Envelope
}

// lastKey is the key of the message before, which is most often the next one's
// too.
type lastKey struct {
	key         *chunker.OpeningKey
	byReference bool
	name        []byte // commitment or kid
	recipients  []byte // encoded
	uses        int    // left
	generation  uint64 // kekcache's
}

// maxUses is how often the last key is used before kekcache is asked again, so
// that keys age there. A Reload takes it away at once.
const maxUses = 4096

// NewWorker returns an OpenWorker for one goroutine.
func (o *Opener) NewWorker() *OpenWorker {
	return &OpenWorker{keys: o.keys, aad: cms.NewAAD([]byte(o.context))}
}

// Open is Opener.Open and returns the Position too, which the tag covers. A nil b
// is the zero Binding.
func (w *OpenWorker) Open(ctx context.Context, dst, e []byte, b *Binding) ([]byte, Position, error) {
	bound, err := w.binder.bind(b)
	if err != nil {
		return dst, Position{}, err
	}
	if err := cms.Parse(e, &w.e); err != nil {
		return dst, Position{}, refuse(err)
	}
	inPlace, err := overlaps(dst, e, len(e))
	if err != nil {
		return dst, Position{}, err
	}
	key, err := w.findKey(ctx, &w.e)
	if err != nil {
		return dst, Position{}, refuse(err)
	}
	w.aad.SetHeader(w.e.ByReference, w.e.Protected)
	var out []byte
	if w.e.Chunked {
		out, err = w.openSegments(dst, key, bound, inPlace)
	} else {
		out, err = w.openSingle(dst, key, bound, inPlace)
	}
	if err != nil {
		if inPlace {
			clear(e) // of a long one some chunks may be open
		}
		return dst, Position{}, err
	}
	return out, Position(w.e.Position), nil
}

func (w *OpenWorker) openSingle(dst []byte, key *chunker.OpeningKey, b *cms.Binding, inPlace bool) ([]byte, error) {
	out, err := openInto(dst, w.e.IV, w.e.Ciphertext, w.aad.Bytes(b, 0, true), key, inPlace)
	switch {
	case err != nil:
		return dst, tamperedError(0, false)
	case len(out) > len(dst) && (b.Kind == cms.Tombstone || b.Kind == cms.KeyRecord):
		clear(out[len(dst):])
		return dst, refuse(fmt.Errorf("%w: a payload where none may be", cms.ErrMalformed))
	}
	return out, nil
}

func (w *OpenWorker) openSegments(dst []byte, key *chunker.OpeningKey, b *cms.Binding, inPlace bool) ([]byte, error) {
	out := dst
	for index, segments := uint32(0), w.e.Segments; len(segments) > 0; index++ {
		var segment []byte
		segment, segments = segments.Next()
		iv, ciphertext := segment[:chunker.IVSize], segment[chunker.IVSize:]
		var err error
		if out, err = openInto(out, iv, ciphertext, w.aad.Bytes(b, index, len(segments) == 0), key, inPlace); err != nil {
			clear(out[len(dst):])
			return dst, tamperedError(index, true)
		}
	}
	return out, nil
}

// openInto opens a ciphertext and appends the plaintext to dst. inPlace says that
// dst lies in front of the ciphertext, in the same memory: it is then opened
// where it stands and moved.
func openInto(dst, iv, ciphertext, aad []byte, key *chunker.OpeningKey, inPlace bool) ([]byte, error) {
	if !inPlace {
		return key.Open(dst, iv, ciphertext, aad)
	}
	plain, err := key.Open(ciphertext[:0], iv, ciphertext, aad)
	if err != nil {
		return dst, err
	}
	return append(dst, plain...), nil
}

// findKey finds the envelope's key: the last one, kekcache's, or unwrapped now.
func (w *OpenWorker) findKey(ctx context.Context, e *cms.Envelope) (*chunker.OpeningKey, error) {
	name := e.Commitment
	if e.ByReference {
		name = e.KID
	}
	generation := w.keys.Generation() // before the key is fetched: a Reload in between makes it one of the past
	if l := &w.last; l.uses > 0 && l.generation == generation && l.byReference == e.ByReference &&
		bytes.Equal(l.name, name) && bytes.Equal(l.recipients, e.Recipients) {
		l.uses--
		return l.key, nil
	}
	var key *chunker.OpeningKey
	var err error
	if e.ByReference {
		key, err = w.keys.Lookup(ctx, e.KID)
	} else {
		key, err = w.keys.Unwrap(ctx, e.Commitment, e.Recipients)
	}
	if err != nil {
		return nil, err
	}
	w.last = lastKey{
		key:         key,
		byReference: e.ByReference,
		name:        append(w.last.name[:0], name...),
		recipients:  append(w.last.recipients[:0], e.Recipients...),
		uses:        maxUses,
		generation:  generation,
	}
	return key, nil
}
