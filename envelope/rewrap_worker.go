package envelope

import (
	"context"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// RewrapWorker rewraps envelopes on one goroutine. It has its memory to itself
// and allocates nothing for an envelope with a data key that it knows. It is
// not safe for concurrent use.
type RewrapWorker struct {
	keys    *kekcache.RewrapKeys
	e       cms.Envelope
	last    cms.Alike           // the envelope before, to which most are alike
	to      *kekcache.Rewrapped // the result for it
	longest int                 // recipients of those that were written, in bytes; 0: none were
	counts  RewrapCounts
}

// NewWorker returns a RewrapWorker for one goroutine.
func (r *Rewrapper) NewWorker() *RewrapWorker { return &RewrapWorker{keys: r.keys} }

// Counts returns how many envelopes this worker has rewrapped so far.
func (w *RewrapWorker) Counts() RewrapCounts { return w.counts }

// MaxSize is the most bytes that Rewrap appends for an envelope of n bytes.
func (w *RewrapWorker) MaxSize(n int) int {
	if w.longest == 0 {
		return n + cms.MaxRecipientSize
	}
	// The recipients of the next data key are for the same KEKs, and so about
	// as long.
	return n + min(2*w.longest+256, cms.MaxRecipientSize)
}

// Rewrap is Rewrapper.Rewrap.
func (w *RewrapWorker) Rewrap(ctx context.Context, dst, e []byte) ([]byte, error) {
	if !areApart(dst, e) {
		if _, err := overlaps(dst, e, len(e)+cms.MaxRecipientSize); err != nil {
			return dst, err
		}
	}
	out := append(dst, e...)
	if !w.last.Match(out[len(dst):]) { // the copy is in the processor's cache, and e may not be
		if err := w.findResult(ctx, e); err != nil {
			return dst, refuse(err)
		}
	}
	w.counts.add(w.to)
	if old := w.last.Recipients(); !w.to.Already && len(old) > 0 {
		return append(out[:len(out)-len(old)], w.to.Recipients...), nil
	}
	return out, nil
}

// findResult finds the result for an envelope that is not alike to the last
// one.
func (w *RewrapWorker) findResult(ctx context.Context, e []byte) (err error) {
	if err := cms.Parse(e, &w.e); err != nil {
		return err
	}
	var to *kekcache.Rewrapped
	if w.e.ByReference {
		to, err = w.keys.RewrapRecord(ctx, w.e.KID)
	} else {
		to, err = w.keys.RewrapRecipients(ctx, w.e.Commitment, w.e.Recipients)
	}
	if err != nil {
		return err
	}
	w.to, w.longest = to, max(w.longest, len(to.Recipients))
	w.last.Set(e, &w.e)
	return nil
}
