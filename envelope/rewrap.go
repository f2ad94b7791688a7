package envelope

import (
	"bytes"
	"context"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// Rewrapper replaces the recipients of envelopes and copies every other byte: context, subject, position and profile stay as
// they were (docs/envelope.md, section 15). It has no data key and verifies no tag. An envelope by reference is copied whole; it is
// its key record in the store that is rewrapped.
//
// It reuses its memory and is not safe for concurrent use: each goroutine has its own, and all of one process share a
// kekcache.Rewrapping.
type Rewrapper struct {
	keys    *kekcache.Rewrapping
	e       cms.Envelope
	last    lastRewrap
	longest int // recipients of those that were written, in bytes; 0: none were
	counts  RewrapCounts
}

// RewrapCounts are numbers of envelopes.
type RewrapCounts struct {
	Rewrapped int64 // have new recipients; by reference, their key record has
	Already   int64 // had them before, and are copied as they were
}

// lastRewrap is what became of the envelope before, which is most often what becomes of the next one.
type lastRewrap struct {
	to          *kekcache.Rewrapped // nil: none yet
	byReference bool
	name        []byte // the encoded recipients as they were, or the kid
}

// NewRewrapper returns a Rewrapper.
func NewRewrapper(keys *kekcache.Rewrapping) *Rewrapper { return &Rewrapper{keys: keys} }

// Counts returns what was done so far.
func (r *Rewrapper) Counts() RewrapCounts { return r.counts }

// Bound is the most bytes that Rewrap appends for an envelope of n bytes.
func (r *Rewrapper) Bound(n int) int {
	if r.longest == 0 {
		return n + cms.MaxRecipientSize
	}
	// The recipients of the next data key are for the same KEKs, and so about as long.
	return n + min(2*r.longest+256, cms.MaxRecipientSize)
}

// Rewrap appends the envelope e to dst as it is to be from now on. A refusal is an *Error; any other error is not the
// message's fault. It waits while a key service is away. On an error dst comes back as it was. e and dst's spare capacity must not
// overlap.
func (r *Rewrapper) Rewrap(ctx context.Context, dst, e []byte) ([]byte, error) {
	if err := cms.Parse(e, &r.e); err != nil {
		return dst, refuse(err)
	}
	to, err := r.find(ctx, &r.e)
	if err != nil {
		return dst, refuse(err)
	}
	r.count(to)
	if to.Already || r.e.ByReference {
		return append(dst, e...), nil
	}
	return cms.AppendSpliced(dst, e, &r.e, to.Recipients), nil
}

func (r *Rewrapper) count(to *kekcache.Rewrapped) {
	if to.Already {
		r.counts.Already++
	} else {
		r.counts.Rewrapped++
	}
}

// find returns what becomes of the envelope's recipients: the same as of the last one's, or what kekcache says.
func (r *Rewrapper) find(ctx context.Context, e *cms.Envelope) (*kekcache.Rewrapped, error) {
	name := e.Recipients
	if e.ByReference {
		name = e.KID
	}
	if l := &r.last; l.to != nil && l.byReference == e.ByReference && bytes.Equal(l.name, name) {
		if e.ByReference {
			return l.to, nil
		}
		return l.to, l.to.Check(e.Commitment)
	}
	var to *kekcache.Rewrapped
	var err error
	if e.ByReference {
		to, err = r.keys.Record(ctx, name)
	} else {
		to, err = r.keys.Recipients(ctx, e.Commitment, name)
	}
	if err != nil {
		return nil, err
	}
	r.longest = max(r.longest, len(to.Recipients))
	r.last = lastRewrap{to: to, byReference: e.ByReference, name: append(r.last.name[:0], name...)}
	return to, nil
}
