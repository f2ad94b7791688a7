package convert

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// MaxPayload is the largest payload in bytes: a message of such a format is
// sealed and opened as a whole, in memory.
const MaxPayload = envelope.DefaultMaxPayload

// SealerOptions say how a Sealer seals.
type SealerOptions struct {
	Format exchange.Format
	// RandomNonces has nonces drawn at random; see envelope.SealerOptions.
	RandomNonces bool
	Limits       kekcache.Limits // of a data key
	Log          *slog.Logger
	Audit        kekcache.Auditor
	Observer     kekcache.Observer
}

// Sealer seals messages of one format. It is safe for concurrent use.
type Sealer struct {
	o      SealerOptions
	keks   *kekcache.KEKs
	keys   *kekcache.SealKeys
	supply *kekcache.Supply
}

// NewSealer returns a Sealer for 1 to 16 local keys, each of which will be able
// to open the messages. Prepare makes the first data key.
func NewSealer(wrappers []keys.Wrapper, o SealerOptions) (*Sealer, error) {
	adapted, err := adaptWrappers(&o.Format, wrappers)
	if err != nil {
		return nil, err
	}
	s := &Sealer{o: o}
	if s.keks, err = kekcache.NewKEKs(adapted); err != nil {
		return nil, err
	}
	s.keys, err = envelope.NewSealKeys(kekcache.SealKeysOptions{
		Limits: o.Limits, MaxPurposes: 1, Log: o.Log, Audit: o.Audit, Observer: o.Observer,
	})
	if err != nil {
		return nil, err
	}
	purpose := kekcache.Purpose{KEKs: s.keks}
	if o.RandomNonces {
		purpose.Nonces = chunker.Random
	}
	s.supply, err = s.keys.Supply(purpose)
	return s, err
}

// Prepare makes the first data key.
func (s *Sealer) Prepare(ctx context.Context) error { return s.supply.Prepare(ctx) }

// Run makes data keys ahead of need until ctx ends.
func (s *Sealer) Run(ctx context.Context) { s.keys.Run(ctx) }

// Close ends the use of the data keys.
func (s *Sealer) Close() error {
	s.supply.Close()
	return s.keys.Close()
}

// Reload seals for other keys from now on.
func (s *Sealer) Reload(ctx context.Context, wrappers []keys.Wrapper) error {
	adapted, err := adaptWrappers(&s.o.Format, wrappers)
	if err != nil {
		return err
	}
	return s.keys.Reload(ctx, map[*kekcache.KEKs][]keys.Wrapper{s.keks: adapted})
}

// SealWorker seals messages on one goroutine. It is not safe for concurrent
// use.
type SealWorker struct {
	sealer   *Sealer
	quota    *kekcache.Quota
	key      *kekcache.Key
	template exchange.Template // of key
	sealed   []byte            // nonce, ciphertext, tag
}

// NewWorker returns a SealWorker for one goroutine.
func (s *Sealer) NewWorker() *SealWorker { return &SealWorker{sealer: s, quota: s.supply.NewQuota()} }

// maxHead is more than a message takes beside a payload with one recipient,
// before the first message has shown how much that is.
const maxHead = 64 << 10

// MaxSize is the most bytes that Seal appends for a payload of n bytes.
func (w *SealWorker) MaxSize(n int) int {
	if w.template == nil {
		return n + n/2 + maxHead
	}
	// The next message may be sealed for other keys, by Reload.
	return w.template.MaxSize(n) + maxHead
}

// Recognizes tells whether b begins like a message of the Sealer's format.
func (w *SealWorker) Recognizes(b []byte) bool { return w.sealer.o.Format.Codec.Recognizes(b) }

// Seal appends a message with this payload to dst. The two must not overlap.
func (w *SealWorker) Seal(ctx context.Context, dst, payload []byte) ([]byte, error) {
	if len(payload) > MaxPayload {
		return dst, refuse(fmt.Errorf("%w: a payload of more than %d bytes", exchange.ErrTooLarge, MaxPayload))
	}
	grant, err := w.quota.Take(ctx, uint64(len(payload)), 1)
	if err != nil {
		return dst, refuse(err)
	}
	if grant.Key != w.key {
		template, err := w.sealer.o.Format.Codec.NewTemplate(grant.Key.Recipients)
		if err != nil {
			return dst, err
		}
		w.key, w.template = grant.Key, template
	}
	w.sealed, err = grant.Sealer.Seal(w.sealed[:0], nil, payload, w.template.AAD())
	if err != nil {
		return dst, err
	}
	return w.template.Append(dst, w.sealed[:chunker.IVSize], w.sealed[chunker.IVSize:]), nil
}
