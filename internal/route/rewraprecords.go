package route

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// openRewrapping opens a route that rewraps. It has no Gate: see transform.Rewrap.
func (r *records) openRewrapping(ctx context.Context, o *opener) (err error) {
	if r.rewraps.keys, err = o.rewrapping(ctx); err != nil {
		return err
	}
	archive, err := o.rewrapArchive(ctx, envelope.NewRewrapper(r.rewraps.keys))
	if err != nil {
		return err
	}
	if err := r.openEnds(ctx, o, archive); err != nil {
		return err
	}
	r.memory += kekcache.DefaultRewrapBytes
	r.options.DeadLetterValues = r.options.DeadLetters != nil
	return r.complete(func() (pipeline.Transform, error) {
		t, err := transform.NewRewrap(transform.RewrapOptions{
			Keys:           r.rewraps.keys,
			Subject:        r.out.subject,
			PassTombstones: o.Tombstones == "pass",
			Stats:          &r.rewraps.stats,
		})
		return &fitted{Transform: t, textIn: r.in.text, textOut: r.out.text, check: r.out.check}, err
	})
}

// rewrapArchive is for both ends of a route that rewraps. ends is used for end records only, by one goroutine at a time.
func (o *opener) rewrapArchive(ctx context.Context, ends *envelope.Rewrapper) (format.Archive, error) {
	if o.from.seq() && !o.to.seq() {
		o.env.Log.Warn("the end record of the archive is left behind, unchecked: streamcrypt verify checks it", "from", o.from.name)
	}
	carried := &carriedEnd{}
	a := format.Archive{Tag: tag, KeepEnd: carried.keep}
	switch {
	case !o.to.seq():
	case o.from.seq():
		a.SealEnd = func(ctx context.Context, dst []byte, count uint64, digest [32]byte) ([]byte, error) {
			end, err := carried.of(count, digest)
			if err != nil {
				return dst, err
			}
			return ends.Rewrap(ctx, dst, end)
		}
	default: // what is read has no end record, so the archive gets one of its own
		s, err := o.endSealer(ctx)
		if err != nil {
			return a, err
		}
		a.SealEnd = sealedArchive(s).SealEnd
	}
	return a, nil
}

// carriedEnd is the last end record of an archive that is copied. Nobody here has opened it; it stands for as many messages, and with
// such a digest, as stood before it.
type carriedEnd struct {
	mu     sync.Mutex
	record []byte
	count  uint64
	digest [32]byte
}

func (e *carriedEnd) keep(record []byte, count uint64, digest [32]byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.record, e.count, e.digest = append([]byte(nil), record...), count, digest
}

// of returns the end record if it stands for the messages that were written.
func (e *carriedEnd) of(count uint64, digest [32]byte) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.record == nil:
		return nil, errors.New("the archive that was read has none")
	case e.count != count:
		return nil, fmt.Errorf("%d messages were written, the archive that was read has %d", count, e.count)
	case e.digest != digest:
		return nil, errors.New("the messages written are not those of the archive that was read")
	}
	return e.record, nil
}

// endSealer seals one end record under a data key of its own, for the new keys. With one seal a random nonce is as good as any, and
// always permitted.
func (o *opener) endSealer(ctx context.Context) (*envelope.Sealer, error) {
	wrappers, err := keyring.Wrappers(ctx, o.Keys, o.env.Log)
	if err != nil {
		return nil, err
	}
	sealing, err := kekcache.NewSealing(kekcache.SealingOptions{
		Wrappers: wrappers, Context: keys.Context{Name: string(o.context)}, Nonces: chunker.Random, Log: o.env.Log,
		Audit: o.audit,
	})
	if err != nil {
		return nil, err
	}
	o.closers.add(sealing.Close)
	if err := sealing.Prepare(ctx); err != nil {
		return nil, err
	}
	return envelope.NewSealer(sealing, envelope.SealerOptions{Context: o.context})
}
