package envelope

import (
	"context"
	"crypto/rand"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// SealWorker seals messages on one goroutine. It has its memory and its share
// of the data key to itself, so it takes no lock and allocates nothing for a
// message. It is not safe for concurrent use.
type SealWorker struct {
	quota     *kekcache.Quota
	chunkSize int

	aad     *cms.AAD
	key     *kekcache.Key // that of the templates
	single  *cms.Template
	chunked *cms.Template
	tail    []byte // the encoded recipients; empty by reference
	head    [9]byte
	id      [cms.MessageIDSize]byte
	scratch []byte // a copy of a plaintext over which the envelope is written
}

// NewWorker returns a SealWorker for one goroutine.
func (s *Sealer) NewWorker() *SealWorker {
	return &SealWorker{
		quota:     s.supply.NewQuota(),
		chunkSize: s.options.ChunkSize,
		aad:       cms.NewAAD([]byte(s.options.Context)),
	}
}

// MaxSize is the most bytes that Seal appends for a payload of n bytes.
func (w *SealWorker) MaxSize(n int) int {
	size := maxSealedSize(n, w.chunkSize)
	if w.key != nil && w.key.ByReference {
		return size
	}
	// The next message may be sealed for other KEKs (Reload), of which nothing
	// is known but that they keep to the format.
	return size + cms.MaxRecipientSize
}

// Seal is Sealer.Seal with a Position: p.Created is ignored and written from
// the clock. A nil b or p is the zero value.
func (w *SealWorker) Seal(ctx context.Context, dst, plaintext []byte, b *Binding, p *Position) ([]byte, error) {
	if !areApart(dst, plaintext) {
		exact, err := overlaps(dst, plaintext, w.MaxSize(len(plaintext)))
		switch {
		case err != nil:
			return dst, err
		case exact:
			return w.sealInPlace(ctx, dst, plaintext, b, p)
		}
	}
	bound := (*cms.Binding)(b)
	if !isPlain(b) {
		var err error
		if bound, err = convertBinding(b); err != nil {
			return dst, err
		}
	}
	chunks := 1
	if len(plaintext) > w.chunkSize {
		chunks = (len(plaintext) + w.chunkSize - 1) / w.chunkSize
	}
	grant, err := w.quota.Take(ctx, uint64(len(plaintext)), uint64(chunks))
	if err != nil {
		return dst, refuse(err)
	}
	if grant.Key != w.key {
		if err := w.useKey(grant.Key); err != nil {
			return dst, err
		}
	}
	var at cms.Position
	if p != nil {
		at = cms.Position(*p)
	}
	at.Created = grant.Created
	if chunks > 1 {
		return w.sealChunked(dst, plaintext, grant.Sealer, bound, &at)
	}
	return w.sealSingle(dst, plaintext, grant.Sealer, bound, &at)
}

// sealInPlace seals a copy of a plaintext that begins where dst ends. The
// envelope is written over the original.
func (w *SealWorker) sealInPlace(ctx context.Context, dst, plaintext []byte, b *Binding, p *Position) ([]byte, error) {
	w.scratch = append(w.scratch[:0], plaintext...)
	defer w.clearScratch()
	return w.Seal(ctx, dst, w.scratch, b, p)
}

// maxScratch is how much scratch memory a worker keeps, in bytes.
const maxScratch = 1 << 20

func (w *SealWorker) clearScratch() {
	clear(w.scratch)
	if cap(w.scratch) > maxScratch {
		w.scratch = nil
	}
}

// useKey lays out the templates for a key.
func (w *SealWorker) useKey(key *kekcache.Key) error {
	w.tail = w.tail[:0]
	if !key.ByReference {
		var err error
		if w.tail, err = cms.AppendRecipients(w.tail, toRecipients(key.Recipients)); err != nil {
			return err
		}
	}
	w.single = cms.NewTemplate(key.ByReference, false, key.Commitment[:])
	w.chunked = cms.NewTemplate(key.ByReference, true, key.Commitment[:])
	w.key = key
	return nil
}

func (w *SealWorker) sealSingle(
	dst, plaintext []byte, sealer *chunker.Sealer, b *cms.Binding, p *cms.Position,
) ([]byte, error) {
	start := len(dst)
	w.single.Set(p, nil, 0)
	w.aad.SetHeader(w.key.ByReference, w.single.Protected())
	dst = append(dst, w.single.Bytes()...)
	head := cms.AppendBytesHead(w.head[:0], len(plaintext)+chunker.TagSize)
	dst, err := sealer.Seal(dst, head, plaintext, w.aad.Bytes(b, 0, true))
	if err != nil {
		return dst[:start], err
	}
	return append(dst, w.tail...), nil
}

func (w *SealWorker) sealChunked(
	dst, plaintext []byte, sealer *chunker.Sealer, b *cms.Binding, p *cms.Position,
) ([]byte, error) {
	start := len(dst)
	dst, err := appendChunkedHead(dst, w.chunked, w.aad, p, &w.id, w.chunkSize)
	if err != nil {
		return dst[:start], err
	}
	for index := uint32(0); ; index++ {
		chunk := plaintext[:min(len(plaintext), w.chunkSize)]
		plaintext = plaintext[len(chunk):]
		final := len(plaintext) == 0
		if dst, err = appendSegment(dst, chunk, sealer, w.aad.Bytes(b, index, final)); err != nil {
			return dst[:start], err
		}
		if final {
			return append(cms.AppendBreak(dst), w.tail...), nil
		}
	}
}

// appendChunkedHead appends everything before the first segment, with a new
// message id, for which it uses the memory of id.
func appendChunkedHead(
	dst []byte, t *cms.Template, aad *cms.AAD, p *cms.Position, id *[cms.MessageIDSize]byte, chunkSize int,
) ([]byte, error) {
	if _, err := rand.Read(id[:]); err != nil {
		return dst, err
	}
	t.Set(p, id[:], chunkSize)
	aad.SetHeader(t.ByReference(), t.Protected())
	return append(dst, t.Bytes()...), nil
}

// appendSegment appends one sealed chunk.
func appendSegment(dst, chunk []byte, sealer *chunker.Sealer, aad []byte) ([]byte, error) {
	dst = cms.AppendBytesHead(dst, cms.SegmentSize(len(chunk)))
	return sealer.Seal(dst, nil, chunk, aad)
}

// segmentRoom is the most bytes that one encoded segment of a chunk of n bytes
// takes.
func segmentRoom(n int) int { return n + chunker.Overhead + cms.BytesHeadSize(n+chunker.Overhead) }
