package route

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/keys"
)

// The functions that are made here are all that an archive's endpoint knows of
// envelopes (docs/envelope.md, section 9).

// ends are the ends of an archive that were read or written, for the last line
// and for receipts.
type ends struct {
	mu   sync.Mutex
	all  int
	last archive.End
}

func (e *ends) note(end archive.End) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all++
	e.last = end
}

// latest returns the last end; ok is false if there was none.
func (e *ends) latest() (end archive.End, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last, e.all > 0
}

// newSealedArchive is for an archive that is written. s is used for its records
// by one goroutine at a time.
func (r *records) newSealedArchive(ctx context.Context, s *envelope.Sealer) (archive.Functions, error) {
	f := archive.Functions{
		Front: envelope.BeforeRecipients, SealEnd: s.SealEnd, KeyRecord: s.FindKeyRecord,
		NoteEnd: r.ends.note, Receipt: r.receipt, Repair: r.Repair,
	}
	if !r.sink.Archive {
		return f, nil
	}
	var err error
	if r.dictionary != nil {
		if f.Dictionary, err = s.DictionaryRecord(ctx); err != nil {
			return f, err
		}
	}
	if r.sink.Append {
		err = r.addEndOpener(ctx, &f)
	}
	return f, err
}

// addEndOpener has the ends of an archive opened to which is appended, as far
// as the keys can; otherwise the next end says that nobody has.
func (r *records) addEndOpener(ctx context.Context, f *archive.Functions) error {
	unwrappers := keyring.LoadOwnUnwrappers(ctx, r.Keys, r.keyEnv())
	if len(unwrappers) == 0 {
		return nil
	}
	o, err := r.openerOptions()
	if err != nil {
		return err
	}
	o.NoClock = true
	opener, err := envelope.NewOpener(unwrappers, o)
	if err != nil {
		return err
	}
	f.KeepRecord = r.newOpenedArchive(opener).KeepRecord
	f.OpenEnd = func(ctx context.Context, sealed []byte) ([archive.EndSize]byte, error) {
		end, err := opener.OpenEnd(ctx, sealed)
		if isLocked(err) {
			r.env.Log.Warn("an end of the archive cannot be opened with these keys: "+
				"the next end says that the bytes before it were not verified", "to", r.sink.Name, "error", err)
			return end, archive.ErrNotOpened
		}
		return end, err
	}
	return nil
}

// isLocked tells whether an end was not opened for want of a key, or of the
// right to decrypt with one.
func isLocked(err error) bool {
	if refused, ok := errors.AsType[*envelope.Error](err); ok {
		return refused.Reason == envelope.ReasonUnknownKey || refused.Reason == envelope.ReasonUntrusted
	}
	service, ok := errors.AsType[*keys.Error](err)
	return ok && service.Class == keys.Gone
}

// newOpenedArchive is for an archive that is read. o is used for its records by
// one goroutine at a time.
func (r *records) newOpenedArchive(o *envelope.Opener) archive.Functions {
	return archive.Functions{
		Front: envelope.BeforeRecipients, OpenEnd: o.OpenEnd, NoteEnd: r.ends.note, Receipt: r.receipt,
		KeepRecord: func(_ context.Context, k *archive.Record) error {
			switch k.Type {
			case archive.TypeKeyRecord:
				return markMalformed(o.KeepKeyRecord(k.Body))
			case archive.TypeDictionaryRecord:
				return markMalformed(o.KeepDictionaryRecord(k.Body))
			}
			return nil
		},
	}
}

// markMalformed makes the fault of a record that is not what its type says one
// of the archive's form.
func markMalformed(err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: not a record of its type: %w", envelope.ReasonMalformed, err)
	return &envelope.Error{Reason: envelope.ReasonMalformed, Err: err}
}

// newRewrappedArchive is for both ends of a route that rewraps. rewrapper is
// used for the archive's records by one goroutine at a time.
func (r *records) newRewrappedArchive(
	ctx context.Context, rewrapper *envelope.Rewrapper, closers *closers,
) (archive.Functions, error) {
	f := archive.Functions{Front: envelope.BeforeRecipients}
	if r.source.Archive && !r.sink.Archive {
		r.env.Log.Warn("the ends of the archive are left behind, unchecked: streamcrypt verify checks them",
			"from", r.source.Name)
	}
	if r.source.Archive && r.sink.Archive {
		f.Carrier = &archive.Carrier{}
	}
	f.KeepRecord = func(ctx context.Context, k *archive.Record) error {
		if k.Type == archive.TypeKeyRecord {
			if err := rewrapper.KeepKeyRecord(k.Body); err != nil {
				return markMalformed(err)
			}
		}
		if f.Carrier == nil {
			return nil
		}
		copied := *k
		if k.Type < archive.FirstPassedOver {
			var err error
			if copied.Body, err = rewrapper.Rewrap(ctx, nil, k.Body); err != nil {
				return err
			}
		}
		return f.Carrier.Put(&copied)
	}
	if r.source.Archive || !r.sink.Archive {
		return f, nil
	}
	// The source has no ends, so the archive gets one of its own.
	s, err := r.newEndSealer(ctx, closers)
	if err != nil {
		return f, err
	}
	f.SealEnd, f.NoteEnd, f.Repair, f.Receipt = s.SealEnd, r.ends.note, r.Repair, r.receipt
	return f, nil
}

// newEndSealer returns a Sealer for one end under a data key of its own, for
// the new keys. With one seal a random nonce is as good as any, and always
// permitted.
func (p *plan) newEndSealer(ctx context.Context, closers *closers) (*envelope.Sealer, error) {
	wrappers, err := p.loadWrappers(ctx)
	if err != nil {
		return nil, err
	}
	sealer, err := envelope.NewSealer(wrappers, envelope.SealerOptions{
		Context: string(p.context), KeyContext: p.KeyContext, RandomNonces: true, Signer: p.signer,
		Log: p.env.Log, Audit: p.audit, Observer: p.newKeyObserver(),
	})
	if err != nil {
		return nil, err
	}
	closers.add(sealer.Close)
	return sealer, p.prepareSealer(ctx, sealer, wrappers)
}
