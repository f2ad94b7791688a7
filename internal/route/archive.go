package route

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

// An archive ends with an envelope over how many messages it has and the digest
// of their tags (docs/envelope.md, section 9). The functions that are made here
// are all that an archive's endpoint knows of envelopes.

const endSize = 8 + 32

// newSealedArchive is for an archive that is written. s is used for end records
// only, by one goroutine at a time.
func newSealedArchive(s *envelope.Sealer) endpoint.Archive {
	return endpoint.Archive{
		Tag: appendTag,
		SealEnd: func(ctx context.Context, dst []byte, count uint64, digest [32]byte) ([]byte, error) {
			end := append(binary.BigEndian.AppendUint64(make([]byte, 0, endSize), count), digest[:]...)
			return s.Seal(ctx, dst, end, envelope.Binding{Kind: envelope.EndOfArchive})
		},
	}
}

// newOpenedArchive is for an archive that is read. o is used for end records
// only, by one goroutine at a time.
func newOpenedArchive(o *envelope.Opener) endpoint.Archive {
	return endpoint.Archive{
		Tag: appendTag,
		OpenEnd: func(ctx context.Context, record []byte) (uint64, [32]byte, error) {
			end, err := o.Open(ctx, nil, record, envelope.Binding{Kind: envelope.EndOfArchive})
			switch {
			case err != nil:
				return 0, [32]byte{}, err
			case len(end) != endSize:
				err := fmt.Errorf("%s: an end record over %d bytes", envelope.ReasonMalformed, len(end))
				return 0, [32]byte{}, &envelope.Error{Reason: envelope.ReasonMalformed, Err: err}
			}
			return binary.BigEndian.Uint64(end), [32]byte(end[8:]), nil
		},
	}
}

// newRewrappedArchive is for both ends of a route that rewraps. ends is used
// for end records only, by one goroutine at a time.
func (p *plan) newRewrappedArchive(
	ctx context.Context, ends *envelope.Rewrapper, closers *closers,
) (endpoint.Archive, error) {
	if p.source.Archive && !p.sink.Archive {
		p.env.Log.Warn("the end record of the archive is left behind, unchecked: streamcrypt verify checks it",
			"from", p.source.Name)
	}
	carried := &carriedEnd{}
	a := endpoint.Archive{Tag: appendTag, KeepEnd: carried.keepRecord}
	switch {
	case !p.sink.Archive:
	case p.source.Archive:
		a.SealEnd = func(ctx context.Context, dst []byte, count uint64, digest [32]byte) ([]byte, error) {
			end, err := carried.findRecord(count, digest)
			if err != nil {
				return dst, err
			}
			return ends.Rewrap(ctx, dst, end)
		}
	default: // the source has no end record, so the archive gets one of its own
		s, err := p.newEndSealer(ctx, closers)
		if err != nil {
			return a, err
		}
		a.SealEnd = newSealedArchive(s).SealEnd
	}
	return a, nil
}

// carriedEnd is the last end record of an archive that is copied. Nobody here
// has opened it; it stands for as many messages, and with such a digest, as
// stood before it.
type carriedEnd struct {
	mu     sync.Mutex
	record []byte
	count  uint64
	digest [32]byte
}

func (e *carriedEnd) keepRecord(record []byte, count uint64, digest [32]byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.record, e.count, e.digest = append([]byte(nil), record...), count, digest
}

// findRecord returns the end record if it stands for the messages that were
// written.
func (e *carriedEnd) findRecord(count uint64, digest [32]byte) ([]byte, error) {
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

// newEndSealer returns a Sealer for one end record under a data key of its own,
// for the new keys. With one seal a random nonce is as good as any, and always
// permitted.
func (p *plan) newEndSealer(ctx context.Context, closers *closers) (*envelope.Sealer, error) {
	wrappers, err := p.loadWrappers(ctx)
	if err != nil {
		return nil, err
	}
	sealer, err := envelope.NewSealer(wrappers, envelope.SealerOptions{
		Context: string(p.context), RandomNonces: true, Log: p.env.Log, Audit: p.audit,
		Observer: &p.watch,
	})
	if err != nil {
		return nil, err
	}
	closers.add(sealer.Close)
	return sealer, p.prepareSealer(ctx, sealer, wrappers)
}
