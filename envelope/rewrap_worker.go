package envelope

import (
	"context"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// RewrapWorker rewraps envelopes on one goroutine. It has its memory to itself
// and allocates nothing for an envelope with a data key that it knows. It is
// not safe for concurrent use.
type RewrapWorker struct {
	// Place names where the next envelopes are read from, such as a partition.
	// If too many of a place cannot be unwrapped by a key service, the place
	// waits, and no other.
	Place string

	keys    *kekcache.RewrapKeys
	e       cms.Envelope
	recent  [4]recentResult // the last one is the first: some sealers may write in turns
	longest int             // recipients of those that were written, in bytes; 0: none were
	counts  RewrapCounts
}

// recentResult is the result for an envelope before, to which most are alike.
type recentResult struct {
	like  cms.Alike
	to    *kekcache.Rewrapped
	valid kekcache.Validity // when its data key may have sealed
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
	copied := out[len(dst):] // is in the processor's cache, and e may not be
	last := &w.recent[0]
	if w.findRecent(copied) {
		if !last.valid.Covers(last.like.Created(copied)) {
			return dst, refuse(errOutOfTime)
		}
	} else if err := w.findResult(ctx, e); err != nil {
		return dst, refuse(err)
	}
	w.counts.add(last.to)
	if old := last.like.Recipients(); !last.to.Already && len(old) > 0 {
		return append(out[:len(out)-len(old)], last.to.Recipients...), nil
	}
	return out, nil
}

// findRecent tells whether an envelope is alike to one of the last ones, and
// makes that the first.
func (w *RewrapWorker) findRecent(e []byte) bool {
	for i := range w.recent {
		if !w.recent[i].like.Match(e) {
			continue
		}
		if i > 0 {
			w.recent[0], w.recent[i] = w.recent[i], w.recent[0]
		}
		return true
	}
	return false
}

var errOutOfTime = fmt.Errorf("%w: sealed when the signature does not hold", kekcache.ErrUntrusted)

// findResult finds the result for an envelope that is not alike to the last
// ones.
func (w *RewrapWorker) findResult(ctx context.Context, e []byte) error {
	if err := cms.Parse(e, &w.e); err != nil {
		return err
	}
	to, valid, err := w.rewrapKey(ctx, &w.e.Header, w.e.Recipients)
	if err != nil {
		return err
	}
	w.longest = max(w.longest, len(to.Recipients))
	oldest := w.recent[len(w.recent)-1].like
	copy(w.recent[1:], w.recent[:])
	w.recent[0] = recentResult{like: oldest, to: to, valid: valid}
	w.recent[0].like.Set(e, &w.e)
	return nil
}

// rewrapKey returns the new recipients for an envelope with these ones, and
// sees to the dictionary that it may need.
func (w *RewrapWorker) rewrapKey(
	ctx context.Context, h *cms.Header, recipients []byte,
) (to *kekcache.Rewrapped, valid kekcache.Validity, err error) {
	if h.ByReference {
		to, valid, err = w.keys.RewrapRecord(ctx, w.Place, h.KID)
		if err == nil && !valid.Covers(h.Position.Created) {
			err = errOutOfTime
		}
	} else {
		sealed := sealedOf(h, recipients)
		to, valid, err = w.keys.RewrapRecipients(ctx, w.Place, &sealed)
	}
	if err == nil && h.Coded && h.Coding.Dictionary != (dictionaryHint{}) {
		if err = w.keys.RewrapDictionaries(ctx, w.Place, h.Coding.Dictionary); isRefusal(err) {
			err = fmt.Errorf("%w: its record cannot be rewrapped: %w", errUnknownDictionary, err)
		}
	}
	return to, valid, err
}

func isRefusal(err error) bool {
	return errors.Is(err, kekcache.ErrUnknownKey) || errors.Is(err, kekcache.ErrWrongKey) ||
		errors.Is(err, kekcache.ErrUntrusted)
}
