package envelope

import (
	"context"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// Rewrapper replaces the recipients of envelopes and copies every other byte: context, subject, position and profile stay as
// they were (docs/envelope.md, section 15). It has no data key and verifies no tag. An envelope by reference is copied whole; it is
// its key record in the store that is rewrapped.
//
// It reuses its memory and is not safe for concurrent use: each goroutine has its own, and all of one process share a
// kekcache.RewrapKeys.
type Rewrapper struct {
	keys    *kekcache.RewrapKeys
	e       cms.Envelope
	last    cms.Alike           // the envelope before, to which most are alike
	to      *kekcache.Rewrapped // what became of it
	longest int                 // recipients of those that were written, in bytes; 0: none were
	counts  RewrapCounts
}

// RewrapCounts are numbers of envelopes.
type RewrapCounts struct {
	Rewrapped int64 // have new recipients; by reference, their key record has
	Already   int64 // had them before, and are copied as they were
}

// NewRewrapper returns a Rewrapper.
func NewRewrapper(keys *kekcache.RewrapKeys) *Rewrapper { return &Rewrapper{keys: keys} }

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
	out := append(dst, e...)
	if !r.last.Match(out[len(dst):]) { // the copy is in the processor's cache, and e may not be
		if err := r.find(ctx, e); err != nil {
			return dst, refuse(err)
		}
	}
	r.count(r.to)
	if old := r.last.Recipients(); !r.to.Already && len(old) > 0 {
		return append(out[:len(out)-len(old)], r.to.Recipients...), nil
	}
	return out, nil
}

func (r *Rewrapper) count(to *kekcache.Rewrapped) {
	if to.Already {
		r.counts.Already++
	} else {
		r.counts.Rewrapped++
	}
}

// find sets what becomes of an envelope that is not alike to the last one.
func (r *Rewrapper) find(ctx context.Context, e []byte) (err error) {
	if err := cms.Parse(e, &r.e); err != nil {
		return err
	}
	var to *kekcache.Rewrapped
	if r.e.ByReference {
		to, err = r.keys.Record(ctx, r.e.KID)
	} else {
		to, err = r.keys.Recipients(ctx, r.e.Commitment, r.e.Recipients)
	}
	if err != nil {
		return err
	}
	r.to, r.longest = to, max(r.longest, len(to.Recipients))
	r.last.Set(e, &r.e)
	return nil
}
