package envelope

import (
	"bytes"
	"context"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// OpenWorker opens messages on one goroutine. It has its memory to itself,
// keeps the data key of the message before, and allocates nothing for a
// message. It is not safe for concurrent use.
type OpenWorker struct {
	keys    *kekcache.OpenKeys
	aad     *cms.AAD
	last    lastKey
	e       cms.Envelope
	scratch []byte // a copy of an envelope over which the plaintext is written
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

// Open is Opener.Open and returns the Position too, which the tag covers. A nil
// b is the zero Binding.
func (w *OpenWorker) Open(ctx context.Context, dst, e []byte, b *Binding) ([]byte, Position, error) {
	bound := (*cms.Binding)(b)
	if !isPlain(b) {
		var err error
		if bound, err = convertBinding(b); err != nil {
			return dst, Position{}, err
		}
	}
	if err := cms.Parse(e, &w.e); err != nil {
		return dst, Position{}, refuse(err)
	}
	if !areApart(dst, e) {
		inPlace, err := overlaps(dst, e, len(e))
		if err != nil {
			return dst, Position{}, err
		}
		if inPlace {
			return w.openInPlace(ctx, dst, e, b)
		}
	}
	key, err := w.findKey(ctx, &w.e)
	if err != nil {
		return dst, Position{}, refuse(err)
	}
	w.aad.SetHeader(w.e.ByReference, w.e.Protected)
	if w.e.Chunked {
		return w.openSegments(dst, key, bound)
	}
	out, err := key.Open(dst, w.e.IV, w.e.Ciphertext, w.aad.Bytes(bound, 0, true))
	switch {
	case err != nil:
		return dst, Position{}, tamperedError(0, false)
	case len(out) > len(dst) && mustBeEmpty(bound.Kind):
		clear(out[len(dst):])
		return dst, Position{}, refuse(errPayload)
	}
	return out, Position(w.e.Position), nil
}

// mustBeEmpty says that envelopes of a kind have no payload.
func mustBeEmpty(kind Kind) bool { return kind == Tombstone || kind == KeyRecord }

// openInPlace opens a copy of an envelope that begins where dst ends. The
// plaintext is written over the original.
func (w *OpenWorker) openInPlace(ctx context.Context, dst, e []byte, b *Binding) ([]byte, Position, error) {
	w.scratch = append(w.scratch[:0], e...)
	out, p, err := w.Open(ctx, dst, w.scratch, b)
	if cap(w.scratch) > maxScratch {
		w.scratch = nil
	}
	return out, p, err
}

func (w *OpenWorker) openSegments(dst []byte, key *chunker.OpeningKey, b *cms.Binding) ([]byte, Position, error) {
	out := dst
	for index, segments := uint32(0), w.e.Segments; len(segments) > 0; index++ {
		var segment []byte
		segment, segments = segments.Next()
		iv, ciphertext := segment[:chunker.IVSize], segment[chunker.IVSize:]
		var err error
		if out, err = key.Open(out, iv, ciphertext, w.aad.Bytes(b, index, len(segments) == 0)); err != nil {
			clear(out[len(dst):])
			return dst, Position{}, tamperedError(index, true)
		}
	}
	return out, Position(w.e.Position), nil
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
