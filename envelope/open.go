package envelope

import (
	"bytes"
	"context"
	"fmt"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// OpenerOptions say how messages of one route are opened.
type OpenerOptions struct {
	Context []byte // the route's name, as it was when the messages were sealed
}

// Opener opens messages. It reuses its memory and is not safe for concurrent use: each goroutine has its
// own, and all of one process share a kekcache.OpenKeys.
type Opener struct {
	keys *kekcache.OpenKeys
	aad  *cms.AAD
	last lastKey
	e    cms.Envelope
}

// lastKey is the key of the message before, which is most often the next one's too.
type lastKey struct {
	key         *chunker.OpeningKey
	byReference bool
	name        []byte // commitment or kid
	recipients  []byte // encoded
	uses        int
	generation  uint64 // kekcache's
}

// maxUses is how often the last key is used before kekcache is asked again, so that keys age there. A Reload takes it away
// at once.
const maxUses = 4096

// NewOpener returns an Opener.
func NewOpener(keys *kekcache.OpenKeys, o OpenerOptions) *Opener {
	return &Opener{keys: keys, aad: cms.NewAAD(o.Context)}
}

// Open verifies the envelope e and appends its payload to dst: whole or not at all. A refusal is an *Error;
// any other error is not the message's fault. On an error dst comes back as it was, and its spare capacity holds no plaintext. e
// and dst's spare capacity must not overlap.
func (o *Opener) Open(ctx context.Context, dst, e []byte, b *Binding) ([]byte, Position, error) {
	if err := cms.Parse(e, &o.e); err != nil {
		return dst, Position{}, refuse(err)
	}
	key, err := o.keyOf(ctx, &o.e)
	if err != nil {
		return dst, Position{}, refuse(err)
	}
	o.aad.SetHeader(o.e.ByReference, o.e.Protected)
	if o.e.Chunked {
		out, err := o.openSegments(dst, o.e.Segments, key, b)
		return out, o.e.Position, err
	}
	out, err := key.Open(dst, o.e.IV, o.e.Ciphertext, o.aad.Bytes(b, 0, true))
	switch {
	case err != nil:
		return dst, Position{}, tampered(0, false)
	case len(out) > len(dst) && (b.Kind == Tombstone || b.Kind == KeyRecord):
		clear(out[len(dst):])
		return dst, Position{}, refuse(fmt.Errorf("%w: a payload where none may be", cms.ErrMalformed))
	}
	return out, o.e.Position, nil
}

func (o *Opener) openSegments(dst []byte, segments cms.Segments, key *chunker.OpeningKey, b *Binding) ([]byte, error) {
	out := dst
	for index := uint32(0); len(segments) > 0; index++ {
		var segment []byte
		segment, segments = segments.Next()
		iv, ciphertext := segment[:chunker.IVSize], segment[chunker.IVSize:]
		var err error
		if out, err = key.Open(out, iv, ciphertext, o.aad.Bytes(b, index, len(segments) == 0)); err != nil {
			clear(out[len(dst):])
			return dst, tampered(index, true)
		}
	}
	return out, nil
}

// keyOf finds the envelope's key: the last one, kekcache's, or unwrapped now.
func (o *Opener) keyOf(ctx context.Context, e *cms.Envelope) (*chunker.OpeningKey, error) {
	name := e.Commitment
	if e.ByReference {
		name = e.KID
	}
	generation := o.keys.Generation() // before the key is fetched: a Reload in between makes it one of the past
	if l := &o.last; l.uses > 0 && l.generation == generation && l.byReference == e.ByReference && bytes.Equal(l.name, name) && bytes.Equal(l.recipients, e.Recipients) {
		l.uses--
		return l.key, nil
	}
	key, err := o.fetch(ctx, e)
	if err != nil {
		return nil, err
	}
	o.last = lastKey{
		key:         key,
		byReference: e.ByReference,
		name:        append(o.last.name[:0], name...),
		recipients:  append(o.last.recipients[:0], e.Recipients...),
		uses:        maxUses,
		generation:  generation,
	}
	return key, nil
}

func (o *Opener) fetch(ctx context.Context, e *cms.Envelope) (*chunker.OpeningKey, error) {
	if e.ByReference {
		return o.keys.Lookup(ctx, e.KID)
	}
	return o.keys.Unwrap(ctx, e.Commitment, e.Recipients)
}
