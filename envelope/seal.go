package envelope

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/codec/coding"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// SealerOptions say how a Sealer seals. The zero value is good for a start.
type SealerOptions struct {
	// Context names the route that the envelopes belong to. Envelopes, key
	// records and, where the key service can, wrapped data keys are bound to
	// it: an Opener with another Context does not open them. It may be empty.
	Context string
	// KeyContext is the name to which data keys are bound, where that is
	// another one; "" for Context.
	KeyContext string
	// Pairs bind wrapped data keys further, at key services that can.
	Pairs map[string]string
	// ChunkSize is the largest payload that is sealed in one piece, in bytes,
	// and the size of the pieces of longer ones: 4 KiB to 1 MiB; 0 for
	// DefaultChunkSize.
	ChunkSize int
	// RandomNonces has nonces drawn at random and not counted: needed under
	// GODEBUG=fips140=only and where running machines are cloned. It halves the
	// messages per data key.
	RandomNonces bool
	// Store, if not nil, keeps one key record per data key, and envelopes name
	// their data key instead of carrying it. They are smaller then, and nobody
	// can open them without the store.
	Store kekcache.Store

	// Bind says which headers are bound, and whether the time is.
	Bind Bind
	// Coding compresses and pads payloads. Lengths of compressed payloads tell
	// about their content: docs/compression.md says when that matters.
	Coding coding.Options
	// Signer, if not nil, vouches for data keys. Readers that trust it refuse
	// everything from those who cannot open. It does not tell apart this sealer
	// and those who can open, each of whom could have sealed a message, dated
	// within the window of its data key. It must be comparable, such as a
	// pointer.
	Signer keys.Signer

	// Limits end the use of a data key.
	Limits kekcache.Limits
	// Log is told of changes of the state of keys; nil: nobody.
	Log *slog.Logger
	// Audit keeps a record of data keys; nil: none. A data key that cannot be
	// recorded is not used.
	Audit kekcache.Auditor

	// Observer is told of data keys and calls of the key service; nil: nobody.
	Observer kekcache.Observer

	// Shared, if not nil, keeps the data keys of several Sealers (NewSealKeys).
	// Limits, Log, Audit and Observer are then its own and must not be given
	// here.
	Shared *kekcache.SealKeys
}

// Sealer seals messages and streams. It is safe for concurrent use. It must not
// be copied.
type Sealer struct {
	options SealerOptions
	keks    *kekcache.KEKs
	keys    *kekcache.SealKeys
	supply  *kekcache.Supply

	namesKeys bool      // KeyContext was given
	workers   sync.Pool // of *SealWorker
	records   keyRecords
}

// NewSealer returns a Sealer for 1 to 16 keys, each of which will be able to
// open the envelopes. No key service is called before the first Seal, or
// Prepare.
func NewSealer(keks []keys.Wrapper, o SealerOptions) (*Sealer, error) {
	if err := CheckChunkSize(int64(o.ChunkSize)); err != nil {
		return nil, err
	}
	if err := o.Bind.Check(); err != nil {
		return nil, err
	}
	if err := o.Coding.Check(); err != nil {
		return nil, err
	}
	if o.ChunkSize == 0 {
		o.ChunkSize = DefaultChunkSize
	}
	namesKeys := o.KeyContext != ""
	o.KeyContext = cmp.Or(o.KeyContext, o.Context)
	s := &Sealer{options: o, keys: o.Shared, namesKeys: namesKeys}
	var err error
	if s.keks, err = kekcache.NewKEKs(keks); err != nil {
		return nil, err
	}
	if s.keys == nil {
		s.keys, err = NewSealKeys(kekcache.SealKeysOptions{
			Limits: o.Limits, MaxPurposes: 1, Log: o.Log, Audit: o.Audit, Observer: o.Observer,
		})
	} else if o.Limits != (kekcache.Limits{}) || o.Log != nil || o.Audit != nil || o.Observer != nil {
		err = errors.New("limits, log, audit and observer belong to the shared data keys")
	}
	if err != nil {
		return nil, err
	}
	if err := s.openSupply(); err != nil {
		return nil, err
	}
	return s, nil
}

// ForContext returns a Sealer with the same options and keys for another
// context, with data keys of its own unless KeyContext was given. Reload of
// either is for both. Close of the one that was made first ends all of them.
func (s *Sealer) ForContext(name string) (*Sealer, error) {
	o := s.options
	o.Context = name
	if !s.namesKeys {
		o.KeyContext = name
	}
	other := &Sealer{options: o, keks: s.keks, keys: s.keys, namesKeys: s.namesKeys}
	other.options.Shared = s.keys
	if err := other.openSupply(); err != nil {
		return nil, err
	}
	return other, nil
}

// openSupply opens the supply of data keys for the options.
func (s *Sealer) openSupply() (err error) {
	nonces := chunker.Counter
	if s.options.RandomNonces {
		nonces = chunker.Random
	}
	s.supply, err = s.keys.Supply(kekcache.Purpose{
		KEKs: s.keks, Context: keys.Context{Name: s.options.KeyContext, Pairs: s.options.Pairs}, Nonces: nonces,
		Store: s.options.Store, Signer: s.options.Signer,
	})
	s.workers.New = func() any { return s.NewWorker() }
	return err
}

// Seal appends the envelope of plaintext to dst. It waits while no data key can
// be had, until ctx ends. Its errors are an *Error for a message that is too
// large, a *keys.Error for a key that cannot be used, and ErrOverlap.
func (s *Sealer) Seal(ctx context.Context, dst, plaintext []byte, b Binding) ([]byte, error) {
	w := s.workers.Get().(*SealWorker)
	defer s.workers.Put(w)
	return w.Seal(ctx, dst, plaintext, &b, nil)
}

// Bind returns the option.
func (s *Sealer) Bind() Bind { return s.options.Bind }

// MaxSize is the most bytes that an envelope of a payload of n bytes takes.
func (s *Sealer) MaxSize(n int) int {
	size := maxSealedSize(s.options.Coding.MaxSize(n), s.options.ChunkSize)
	if s.options.Store != nil {
		return size
	}
	return size + cms.MaxRecipientSize
}

// maxSealedSize is the most bytes that an envelope of a coded payload of n
// bytes takes without its recipients.
func maxSealedSize(n, chunkSize int) int {
	return n + (n/chunkSize+1)*(segmentRoom(chunkSize)-chunkSize) + cms.MaxSealedHead
}

// Prepare makes the first data key, unless there is one. A key service that
// refuses is an error at once, where later on it would be waited for.
func (s *Sealer) Prepare(ctx context.Context) error { return s.supply.Prepare(ctx) }

// Run makes data keys ahead of need and keeps the time for Seal, until ctx
// ends. A program that seals much calls it on a goroutine of its own. Shared
// data keys have a Run of their own.
func (s *Sealer) Run(ctx context.Context) { s.keys.Run(ctx) }

// Reload seals for other keys from now on. It makes a data key for them first,
// and on an error everything stays as it was.
func (s *Sealer) Reload(ctx context.Context, keks []keys.Wrapper) error {
	return s.keys.Reload(ctx, map[*kekcache.KEKs][]keys.Wrapper{s.keks: keks})
}

// Status says how data keys can be had. With shared data keys it is that of all
// of them.
func (s *Sealer) Status() kekcache.Status { return s.keys.Status() }

// Close ends the use of the data keys. Nothing can be sealed afterwards. Its
// error says that the end could not be audited. Shared data keys go on.
func (s *Sealer) Close() error {
	s.supply.Close()
	if s.options.Shared != nil {
		return nil
	}
	return s.keys.Close()
}

// NewSealKeys returns data keys that several Sealers share: those of each are
// kept as long as it is open, and as many others as o allows. o.Codec is that
// of this package.
func NewSealKeys(o kekcache.SealKeysOptions) (*kekcache.SealKeys, error) {
	o.Codec = codec{}
	return kekcache.NewSealKeys(o)
}
