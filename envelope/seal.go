package envelope

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// SealerOptions say how messages of one route are sealed.
type SealerOptions struct {
	Context   []byte // the route's name; may be empty
	ChunkSize int    // bytes; 4 KiB to 1 MiB, 0 for DefaultChunkSize
}

// Sealer seals messages. It reuses its memory and is not safe for concurrent use: each goroutine has its
// own, and all of one process share a kekcache.SealKeys.
type Sealer struct {
	keys      *kekcache.SealKeys
	holder    *kekcache.Quota
	context   []byte
	chunkSize int

	aad     *cms.AAD
	key     *kekcache.Key // what the templates below are for
	single  *cms.Template
	chunked *cms.Template
	tail    []byte // the encoded recipients; empty by reference
	head    [9]byte
	id      [cms.MessageIDSize]byte
}

// NewSealer validates o.
func NewSealer(keys *kekcache.SealKeys, o SealerOptions) (*Sealer, error) {
	if o.ChunkSize == 0 {
		o.ChunkSize = DefaultChunkSize
	}
	if o.ChunkSize < cms.MinChunkSize || o.ChunkSize > cms.MaxChunkSize {
		return nil, fmt.Errorf("chunk size of %d bytes: %d to %d are possible", o.ChunkSize, cms.MinChunkSize, cms.MaxChunkSize)
	}
	return &Sealer{
		keys:      keys,
		holder:    keys.Quota(),
		context:   append([]byte(nil), o.Context...),
		chunkSize: o.ChunkSize,
		aad:       cms.NewAAD(o.Context),
	}, nil
}

// Bound is the most bytes that Seal adds for a payload of n bytes.
func (s *Sealer) Bound(n int) int {
	return n + (n/s.chunkSize+1)*(segmentRoom(s.chunkSize)-s.chunkSize) + cms.MaxHead + s.recipientRoom()
}

// recipientRoom is the most bytes that the recipients take. The next message may be sealed under a key for other KEKs than this
// one (kekcache's Reload), of which nothing is known but that they keep to the format.
func (s *Sealer) recipientRoom() int {
	if s.key != nil && s.key.ByReference {
		return 0
	}
	return cms.MaxRecipientSize
}

// Seal appends the envelope of plaintext to dst. p.Created is ignored and written from the clock. It waits while no
// key can be had. On an error dst comes back as it was. plaintext and dst's spare capacity must not overlap.
func (s *Sealer) Seal(ctx context.Context, dst, plaintext []byte, b *Binding, p Position) ([]byte, error) {
	chunks := 1
	if len(plaintext) > s.chunkSize {
		chunks = (len(plaintext) + s.chunkSize - 1) / s.chunkSize
	}
	grant, err := s.holder.Take(ctx, uint64(len(plaintext)), uint64(chunks))
	if err != nil {
		return dst, refuse(err)
	}
	if grant.Key != s.key {
		if err := s.rekey(grant.Key); err != nil {
			return dst, err
		}
	}
	p.Created = grant.Created
	if chunks > 1 {
		return s.sealChunked(dst, plaintext, grant.Sealer, b, &p)
	}
	return s.sealSingle(dst, plaintext, grant.Sealer, b, &p)
}

// rekey lays out the templates for a key.
func (s *Sealer) rekey(key *kekcache.Key) error {
	s.tail = s.tail[:0]
	if !key.ByReference {
		var err error
		if s.tail, err = cms.AppendRecipients(s.tail, toRecipients(key.Recipients)); err != nil {
			return err
		}
	}
	s.single = cms.NewTemplate(key.ByReference, false, key.Commitment[:])
	s.chunked = cms.NewTemplate(key.ByReference, true, key.Commitment[:])
	s.key = key
	return nil
}

func (s *Sealer) sealSingle(dst, plaintext []byte, sealer *chunker.Sealer, b *Binding, p *Position) ([]byte, error) {
	start := len(dst)
	s.single.Set(p, nil, 0)
	s.aad.SetHeader(s.key.ByReference, s.single.Protected())
	dst = append(dst, s.single.Bytes()...)
	head := cms.AppendBytesHead(s.head[:0], len(plaintext)+chunker.TagSize)
	dst, err := sealer.Seal(dst, head, plaintext, s.aad.Bytes(b, 0, true))
	if err != nil {
		return dst[:start], err
	}
	return append(dst, s.tail...), nil
}

func (s *Sealer) sealChunked(dst, plaintext []byte, sealer *chunker.Sealer, b *Binding, p *Position) ([]byte, error) {
	start := len(dst)
	dst, err := s.beginChunked(dst, s.chunked, p)
	if err != nil {
		return dst[:start], err
	}
	for index := uint32(0); ; index++ {
		chunk := plaintext[:min(len(plaintext), s.chunkSize)]
		plaintext = plaintext[len(chunk):]
		final := len(plaintext) == 0
		if dst, err = s.appendChunk(dst, chunk, sealer, b, index, final); err != nil {
			return dst[:start], err
		}
		if final {
			return append(cms.AppendBreak(dst), s.tail...), nil
		}
	}
}

// beginChunked appends everything before the first segment.
func (s *Sealer) beginChunked(dst []byte, t *cms.Template, p *Position) ([]byte, error) {
	if _, err := rand.Read(s.id[:]); err != nil {
		return dst, err
	}
	t.Set(p, s.id[:], s.chunkSize)
	s.aad.SetHeader(t.ByReference(), t.Protected())
	return append(dst, t.Bytes()...), nil
}

func (s *Sealer) appendChunk(dst, chunk []byte, sealer *chunker.Sealer, b *Binding, index uint32, final bool) ([]byte, error) {
	dst = cms.AppendBytesHead(dst, cms.SegmentSize(len(chunk)))
	return sealer.Seal(dst, nil, chunk, s.aad.Bytes(b, index, final))
}

var errTooLong = errors.New("too-large: more than 2^32 chunks or 2^40 bytes under one key")
